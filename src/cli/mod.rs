//! The command line: what was typed becomes calls of the library, and their results lines or JSON.

mod args;
mod calendar;
mod command;
mod exit;
mod printer;
mod secret;

use clap::Parser;

use args::{Cli, Command};
use exit::{Exit, Failure};
use printer::Printer;

/// Runs the program with this process's arguments.
pub(crate) fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return printer::usage(&error),
    };
    let printer = Printer::new(cli.json);
    match run(cli.command, &printer) {
        Ok(exit) => exit,
        Err(failure) if failure.is_broken_pipe() => Exit::Done,
        Err(failure) => {
            printer.remark(failure);
            Exit::Failed
        }
    }
}

fn run(command: Command, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        Command::Identity(command) => command::identity::run(&command, printer),
        Command::Completions { shell } => command::completions::run(shell, printer),
        _ => todo!(),
    }
}
