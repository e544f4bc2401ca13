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

mod field;
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

use field::{Course, Field};
use load::Pace;
use node::{Kind, Node};
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
    /// Nothing but these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// Neither steady rates, nor listeners told, nor bursts.
    #[arg(long)]
    brief: bool,
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
    /// A node that runs already, instead: its address. It must know few others and have no rate limits.
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

/// Requests in a second, at a steady rate, of gets.
const RATES: [f64; 3] = [1_000.0, 5_000.0, 20_000.0];
/// How often a node is started again.
const ATTEMPTS: u32 = 3;
/// Puts that are told to all listeners.
const TOLD: u64 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let workloads = match &args.only[..] {
        [] => Workload::ALL.to_vec(),
        only => only.to_vec(),
    };
    let signed = if workloads.contains(&Workload::PutSigned) {
        Workload::PutSigned.count(args.replies, 1)
    } else {
        0
    };
    let signed = Signed::new(signed)?;
    let (names, kinds): (Vec<_>, Vec<_>) = kinds(&args).into_iter().unzip();
    let mut figures = Figures::default();
    let mut rows = Vec::new();
    for round in 0..args.rounds {
        for turn in 0..kinds.len() {
            let index = (round + turn) % kinds.len();
            eprintln!("round {}: {}", round + 1, names[index]);
            let field = open(&args, kinds[index].as_ref())?;
            let mut drive = Drive {
                args: &args,
                signed: &signed,
                field,
                node: index,
                figures: &mut figures,
                rows: &mut rows,
            };
            drive.run(&workloads)?;
        }
    }
    println!("{}", figures.table(&names, &rows));
    if let Some(path) = &args.json {
        fs::write(path, format!("{:#}\n", figures.json(&names)))?;
    }
    Ok(())
}

/// Starts a node among its peers. Some nodes fail to meet them all now and then.
fn open(args: &Args, kind: Option<&Kind>) -> std::io::Result<Field> {
    let mut tries = 0..ATTEMPTS;
    loop {
        let field = Field::open(args.peers, |peers| match (kind, args.addr, args.pid) {
            (Some(kind), ..) => Node::start(kind, peers),
            (None, Some(addr), Some(pid)) => Ok(Node::running(addr, pid)),
            (None, ..) => Err(std::io::Error::other("both --addr and --pid are needed")),
        });
        match (field, tries.next()) {
            (Err(error), Some(_)) => eprintln!("{error}: once more"),
            (field, _) => return field,
        }
    }
}

/// The nodes to compare, and their names; `None` is one that runs already.
fn kinds(args: &Args) -> Vec<(String, Option<Kind>)> {
    if let Some(addr) = args.addr {
        return vec![(addr.to_string(), None)];
    }
    let mut kinds = vec![("bulla".to_owned(), Some(Kind::Bulla(args.bulla.clone())))];
    if args.alone {
        return kinds;
    }
    for python in [Some(&args.python), args.old_python.as_ref()]
        .into_iter()
        .flatten()
    {
        match Kind::open_dht(python) {
            Some((version, kind)) => kinds.push((format!("OpenDHT {version}"), Some(kind))),
            None => eprintln!("{} has no opendht; left out", python.display()),
        }
    }
    kinds
}

/// One node in one round.
struct Drive<'a> {
    args: &'a Args,
    signed: &'a Signed,
    field: Field,
    node: usize,
    figures: &'a mut Figures,
    rows: &'a mut Vec<String>,
}

impl Drive<'_> {
    fn run(&mut self, workloads: &[Workload]) -> Result<(), Box<dyn Error>> {
        let idle = self.field.node.memory()? as f64 / f64::from(1 << 20);
        self.add("memory idle (MiB)", [("cost", idle)]);
        for &workload in workloads {
            let pace = Pace::Window((self.args.window / self.field.peers.len()).max(1));
            let course = self.course(workload, self.args.replies, pace)?;
            let replies = course.tally.replies().max(1) as f64;
            let growth = course.growth as f64 / replies;
            self.add_course(workload.to_string(), course);
            match workload {
                Workload::Put => self.add("memory per value (B)", [("cost", growth)]),
                Workload::Listen => self.add("memory per listener (B)", [("cost", growth)]),
                Workload::ListenTogether => {
                    self.add("memory per listener, 20 to a key (B)", [("cost", growth)]);
                }
                _ => {}
            }
        }
        if self.args.brief {
            return Ok(());
        }
        let told = told::tell(&mut self.field, TOLD)?;
        self.add_course("told", told);
        for rate in RATES {
            let pace = Pace::Rate(rate / self.field.peers.len() as f64);
            let course = self.course(Workload::Get, rate as usize * 2, pace)?;
            self.add_course(format!("get 64 B at {rate}/s"), course);
        }
        let lost = told::burst(&mut self.field)?;
        let row = format!("burst of {} pings", told::BURST);
        self.add(&row, [("lost", lost as f64)]);
        Ok(())
    }

    fn course(
        &mut self,
        workload: Workload,
        replies: usize,
        pace: Pace,
    ) -> std::io::Result<Course> {
        let batches = workload.prepare(&mut self.field, replies, self.signed)?;
        self.field.load(&batches, pace)
    }

    fn add_course(&mut self, row: impl Into<String>, mut course: Course) {
        let tally = &mut course.tally;
        // Seconds for 100,000 replies.
        let cost = course.cpu.as_secs_f64() * 1e5 / tally.replies().max(1) as f64;
        let figures = [
            ("cost", cost),
            ("per_sec", tally.per_sec()),
            ("lost", tally.lost as f64),
            ("refused", tally.refused as f64),
            ("p50_us", tally.quantile(0.5)),
            ("p99_us", tally.quantile(0.99)),
            ("p999_us", tally.quantile(0.999)),
        ];
        self.add(&row.into(), figures);
    }

    fn add(&mut self, row: &str, figures: impl IntoIterator<Item = (&'static str, f64)>) {
        if !self.rows.iter().any(|known| known == row) {
            self.rows.push(row.to_owned());
        }
        self.figures.add(self.node, row, figures);
    }
}
