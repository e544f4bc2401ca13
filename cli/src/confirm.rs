//! Questions that the user answers with yes or no.

use std::io::{self, IsTerminal};

use super::exit::Failure;
use super::printer::ask;

/// Asks on the terminal; anything but yes is no. Without a terminal it fails, and names the option
/// that answers.
pub(crate) fn confirm(question: &str, option: &str) -> Result<bool, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::new(format!(
            "there is no terminal to ask on: say so with {option}"
        )));
    }
    let answer = ask(format_args!("{question} [y/N]"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
