//! The `bulla` program: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulla_cli::main()
}
