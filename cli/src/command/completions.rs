//! `bulla completions`: a script that completes commands in a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::printer::Printer;

/// Prints the script.
pub(crate) fn run(shell: Shell, printer: &Printer) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "bulla", &mut script);
    let script = String::from_utf8_lossy(&script);
    printer.result(
        &json!({ "shell": shell.to_string(), "script": script }),
        script.trim_end(),
    )?;
    Ok(Exit::Done)
}
