//! How many instructions does the core spend on its usual work, and is it more than before?
//!
//! ```sh
//! cargo bench --bench instructions         # compares with baseline.json, fails above 10 % more
//! cargo bench --bench instructions -- --save    # writes baseline.json anew
//! ```
//!
//! Needs valgrind. Each workload runs twice under callgrind, idle and at work, and the difference
//! is counted: it is the same on every run and however busy the machine is, but not with another
//! compiler, so the baseline names its own.

mod callgrind;
mod core;
mod lookup;
mod server;

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

/// Growth that is refused, in percent.
const TOLERANCE: u64 = 10;

/// Sets up, and does the work so many times.
type Workload = fn(u32);

const WORKLOADS: [(&str, Workload); 17] = [
    ("decode all captured datagrams", core::decode),
    ("encode all captured datagrams", core::encode),
    ("pack and unpack a value of 1 kB", core::value),
    ("8 closest of 10,000 contacts", core::closest),
    ("hear of a known contact", core::heard),
    ("make and check a token", core::token),
    ("store among 10,000 values", core::store),
    ("get one of 10,000 values", core::get),
    ("expire a value", core::expire),
    ("answer a ping", server::ping),
    ("answer a find", server::find),
    ("answer a get of 64 B", server::get),
    ("answer a put of 64 B", server::put),
    ("answer a listen", server::listen),
    ("tell 100 listeners", server::tell),
    ("make a get", lookup::get),
    ("make a put", lookup::put),
];

/// What was counted, for one compiler.
#[derive(Serialize, Deserialize)]
struct Baseline {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [run, name, times] = &args[..]
        && run == "--run"
    {
        let (_, work) = WORKLOADS
            .iter()
            .find(|(its, _)| its == name)
            .expect("a workload");
        work(times.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let counted = Baseline {
        compiler: compiler(),
        instructions: WORKLOADS
            .iter()
            .map(|(name, _)| ((*name).to_owned(), callgrind::count(name)))
            .collect(),
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/baseline.json");
    if args.iter().any(|arg| arg == "--save") {
        let text = serde_json::to_string_pretty(&counted).expect("JSON") + "\n";
        std::fs::write(&file, text).expect("the baseline can be written");
        println!("saved to {}", file.display());
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(&file).expect("there is a baseline: make one with --save");
    compare(&serde_json::from_str(&text).expect("a baseline"), &counted)
}

/// Prints both, and tells whether none has grown too much.
fn compare(baseline: &Baseline, counted: &Baseline) -> ExitCode {
    let mut has_grown = false;
    for (name, now) in &counted.instructions {
        let Some(before) = baseline.instructions.get(name) else {
            println!("{now:>10}  {:>8}  {name}", "new");
            continue;
        };
        let is_more = *now * 100 > *before * (100 + TOLERANCE);
        has_grown |= is_more;
        let percent = now * 100 / (*before).max(1);
        let verdict = if is_more { "  TOO MUCH" } else { "" };
        println!("{now:>10}  {percent:>6} %  {name}{verdict}");
    }
    if baseline.compiler != counted.compiler {
        println!(
            "not comparable: the baseline is of {}, this is {}",
            baseline.compiler, counted.compiler
        );
        return ExitCode::SUCCESS;
    }
    if has_grown {
        println!(
            "more than {TOLERANCE} % above the baseline: make it cheaper, or say why and run with --save"
        );
        return ExitCode::FAILURE;
    }
    println!("within {TOLERANCE} % of the baseline");
    ExitCode::SUCCESS
}

fn compiler() -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    String::from_utf8(rustc.expect("rustc is here").stdout)
        .expect("text")
        .trim()
        .to_owned()
}
