//! What does a node cost under load, beside OpenDHT's? Requests are made over raw UDP on loopback.
//!
//! See `benches/peers/README.md` for what each figure means.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a bench reads the clock and computes with what it counted"
)]

mod contender;
mod cores;
mod drive;
mod field;
mod growth;
mod line;
mod load;
mod node;
mod peer;
mod table;
mod told;
mod workload;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use serde_json::json;

use contender::Contender;
use drive::{Drive, Row};
use field::Field;
use growth::{Curves, Growth};
use load::Pace;
use table::Figures;
use workload::{Signed, Workload};

/// Puts nodes under load, in turns.
#[derive(Parser, Debug)]
struct Args {
    /// Rounds; each starts every node anew.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Pings of one round; of dearer requests there are fewer.
    #[arg(long, default_value_t = 100_000)]
    replies: usize,
    /// Requests under way, over all peers.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Peers, each with an address of its own.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(8..=200))]
    peers: u8,
    /// Cores of the node, the first ones; requests are made on the last. Several numbers are
    /// compared.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..))]
    node_cores: Vec<u8>,
    /// Nothing but these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// Neither steady rates, nor listeners told, nor bursts, nor growth.
    #[arg(long)]
    brief: bool,
    /// Values and listeners of each growth; 0 for none.
    #[arg(long, default_value_t = 60_000)]
    growth: usize,
    /// Nothing but bulla.
    #[arg(long)]
    alone: bool,
    /// Another build of the program of this package.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_bulla"))]
    bulla: PathBuf,
    /// The Python that has the newest OpenDHT.
    #[arg(long, env = "OPENDHT_PYTHON", default_value = "python3")]
    python: PathBuf,
    /// A Python that has another OpenDHT.
    #[arg(long, env = "OPENDHT_OLD_PYTHON")]
    old_python: Option<PathBuf>,
    /// A node that runs already, instead: its address. It must know few others and have no rate
    /// limits.
    #[arg(long, requires = "pid")]
    addr: Option<SocketAddr>,
    /// The process of that node.
    #[arg(long)]
    pid: Option<u32>,
    /// Writes the figures of all rounds to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by Cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    /// As many requests under way as are wanted, shared out to the peers.
    fn closed_loop(&self, field: &Field) -> Pace {
        Pace::Window((self.window / field.peers.len()).max(1))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let workloads = match &args.only[..] {
        [] => Workload::ALL.to_vec(),
        only => only.to_vec(),
    };
    let signed = if workloads.contains(&Workload::PutSigned) {
        Workload::PutSigned.count(args.replies)
    } else {
        0
    };
    let signed = Signed::new(signed)?;
    let contenders = Contender::all(&args)?;
    let names: Vec<_> = contenders.iter().map(|it| it.name.clone()).collect();
    let (mut figures, mut curves) = (Figures::default(), Curves::default());
    for round in 0..args.rounds {
        eprintln!("round {}", round + 1);
        let mut drives = Vec::new();
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let field = contenders[index].start(&args)?;
            drives.push(Drive::new(&args, &signed, field, index)?);
        }
        for row in Row::all(&workloads, args.brief) {
            for drive in &mut drives {
                drive.take(row, &mut figures)?;
            }
        }
    }
    if args.growth > 0 && !args.brief {
        for (index, contender) in contenders.iter().enumerate() {
            eprintln!("growth: {}", names[index]);
            Growth::new(&args, contender.start(&args)?, index, &mut curves).run()?;
        }
    }
    println!("{}", figures.table(&names));
    let amounts = args.node_cores.len();
    if amounts > 1 {
        println!("\n{}", figures.rates(&names, names.len() / amounts));
    }
    print!("{}", curves.tables(&names));
    if let Some(path) = &args.json {
        let all = json!({ "rows": figures.json(&names), "curves": curves.json(&names) });
        fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(())
}
