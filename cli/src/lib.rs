//! The program `bulla`: turns what was typed into calls of the library, and their results into
//! lines or JSON.

mod args;
mod calendar;
mod certificates;
mod command;
mod confirm;
mod describe;
mod document;
mod exit;
mod file;
mod input;
mod interrupt;
mod json;
mod keyring;
pub mod plot;
mod printer;
mod prompt;
mod published;
mod saved_termios;
mod secret;
mod session;
mod text;
mod trust_rules;
mod verifier;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use args::{Cli, Command, Deferred};
use exit::{Context, Exit, Failure};
use printer::Printer;

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    parse_and_run().into()
}

fn parse_and_run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return printer::usage(&error),
    };
    let printer = Printer::new(cli.json);
    match run(cli.command, &printer) {
        Ok(exit) => exit,
        Err(failure) if failure.is_broken_pipe() => Exit::Done,
        Err(failure) => {
            printer.note(failure);
            Exit::Failed
        }
    }
}

fn run(command: Command, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        Command::Identity(command) => command::identity::run(&command, printer),
        Command::Cert(command) => command::cert::run(command, printer),
        Command::Contact(command) => command::contact::run(&command, printer),
        Command::Completions { shell } => command::completions::run(shell, printer),
        Command::Simulate(Deferred(args)) => networked(command::simulate::run(&args, printer)),
        Command::Demo => networked(command::demo::run(printer)),
        Command::Node(Deferred(args)) => networked(command::node::run(&args, printer)),
        Command::Put(Deferred(args)) => networked(command::put::run(&args, printer)),
        Command::Get(Deferred(args)) => networked(command::get::run(&args, printer)),
        Command::Listen(Deferred(args)) => networked(command::listen::run(&args, printer)),
        Command::Query(Deferred(args)) => networked(command::query::run(&args, printer)),
        Command::Chat(Deferred(args)) => networked(command::chat::run(&args, printer)),
    }
}

/// Runs a command that takes part in a network.
fn networked(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let wanted = env::var("BULLA_LOG").unwrap_or_else(|_| "off".to_owned());
    let wanted: Targets = wanted.parse().context("cannot read BULLA_LOG")?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // The editor of the prompt is of no interest.
        .with_filter(wanted.with_target("rustyline", LevelFilter::OFF));
    tracing_subscriber::registry().with(log).init();
    let mut runtime = Builder::new_current_thread();
    (runtime.enable_all().build())
        .context("cannot start")?
        .block_on(command)
}
