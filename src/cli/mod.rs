//! The command line: what was typed becomes calls of the library, and their results lines or JSON.

mod args;
mod calendar;
mod certificates;
mod command;
mod exit;
mod interrupt;
mod json;
mod keyring;
mod lines;
mod printer;
mod prompt;
mod secret;
mod session;
mod text;
mod trust;

use std::env;
use std::io::{self, IsTerminal};

use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use exit::{During, Exit, Failure};
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
        #[cfg(feature = "sim")]
        Command::Simulate(args) => networked(command::simulate::run(&args, printer)),
        Command::Demo => networked(command::demo::run(printer)),
        Command::Node(args) => networked(command::node::run(&args, printer)),
        Command::Put(args) => networked(command::put::run(&args, printer)),
        Command::Get(args) => networked(command::get::run(&args, printer)),
        Command::Listen(args) => networked(command::listen::run(&args, printer)),
        Command::Query(args) => networked(command::query::run(&args, printer)),
        Command::Chat(args) => networked(command::chat::run(&args, printer)),
    }
}

/// Runs a command that takes part in a network.
fn networked(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let wanted = env::var("BULLA_LOG").unwrap_or_else(|_| "off".to_owned());
    tracing_subscriber::fmt()
        // What happens at the prompt is no news.
        .with_env_filter(EnvFilter::new(format!("{wanted},rustyline=off")))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Runtime::new().during("cannot start")?.block_on(command)
}
