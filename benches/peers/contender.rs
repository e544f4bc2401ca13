//! [`Contender`]: a node to compare.

use std::io::{Error, Result};

use crate::Args;
use crate::cores::Cores;
use crate::field::Field;
use crate::node::{Node, Program};

/// How often a node is started again.
const ATTEMPTS: u32 = 3;

/// A node to compare.
pub(crate) struct Contender {
    pub(crate) name: String,
    /// `None` is one that runs already.
    program: Option<Program>,
    cores: Cores,
    /// Whether the last core is one of them, on which requests are made.
    is_shared: bool,
}

impl Contender {
    /// All kinds of nodes, with each number of cores; this program keeps to the last core.
    pub(crate) fn all(args: &Args) -> Result<Vec<Self>> {
        let (programs, cores) = (programs(args), Cores::all()?);
        if let Some(last) = cores.last() {
            Cores::new(&[*last]).confine_this()?;
        }
        let mut all = Vec::new();
        for &count in &args.node_cores {
            let count = cores.len().min(count.into());
            for (name, program) in &programs {
                let name = match args.node_cores[..] {
                    [_] => name.clone(),
                    _ => format!("{name} on {count}"),
                };
                all.push(Self {
                    name,
                    program: program.clone(),
                    cores: Cores::new(&cores[..count]),
                    is_shared: count == cores.len(),
                });
            }
        }
        Ok(all)
    }

    /// Starts the node among its peers. Some nodes fail to meet them all now and then.
    pub(crate) fn start(&self, args: &Args) -> Result<Field> {
        let mut tries = 0..ATTEMPTS;
        loop {
            let field = Field::open(args.peers, self.is_shared, |peers| {
                match (&self.program, args.addr, args.pid) {
                    (Some(program), ..) => Node::start(program, &self.cores, peers),
                    (None, Some(addr), Some(pid)) => Node::running(addr, pid, &self.cores),
                    (None, ..) => Err(Error::other("both --addr and --pid are needed")),
                }
            });
            match (field, tries.next()) {
                (Err(error), Some(_)) => eprintln!("{error}: once more"),
                (field, _) => return field,
            }
        }
    }
}

/// The kinds of nodes, and their names; `None` is one that runs already.
fn programs(args: &Args) -> Vec<(String, Option<Program>)> {
    if let Some(addr) = args.addr {
        return vec![(addr.to_string(), None)];
    }
    let mut programs = vec![("bulla".to_owned(), Some(Program::Bulla(args.bulla.clone())))];
    if args.alone {
        return programs;
    }
    for python in [Some(&args.python), args.old_python.as_ref()]
        .into_iter()
        .flatten()
    {
        match Program::open_dht(python) {
            Some((version, program)) => {
                programs.push((format!("OpenDHT {version}"), Some(program)));
            }
            None => eprintln!("{} has no opendht; left out", python.display()),
        }
    }
    programs
}
