//! How the program ends: [`Exit`] codes, and [`Failure`], the one line that explains the worst of
//! them.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use thiserror::Error;

/// What the shell is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// The work is done: 0.
    Done,
    /// Nothing found, not acknowledged, or not trusted: 1.
    Nothing,
    /// Bad usage, or a failure: 2.
    Failed,
}

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What failed, on what, and what to do, in one line.
    #[error("{0}")]
    Explained(String),
    /// Standard output or error could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Nothing => Self::from(1),
            Exit::Failed => Self::from(2),
        }
    }
}

impl Failure {
    /// Makes a failure of an explanation.
    pub(crate) fn new(explanation: impl Into<String>) -> Self {
        Self::Explained(explanation.into())
    }

    /// Whether the reader of the output has gone, which is no failure.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Joins an error and its causes into one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // A transparent error has the text of its cause.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    one_line(&line)
}

/// Puts the lines of a text into one.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds to an error what was being done when it came up.
pub(crate) trait Context<T> {
    /// Turns the error into `doing: error: cause`.
    fn context(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: std::error::Error + 'static> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(format!("{doing}: {}", chain(&error))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_is_told_with_its_causes_in_one_line() {
        let error = Err::<(), _>(Outer(io::Error::other("in\nner")));
        let failure = error.context("opening x").unwrap_err();
        assert_eq!(failure.to_string(), "opening x: outer: in ner");
        assert!(!failure.is_broken_pipe());
    }

    #[test]
    fn a_reader_that_left_is_told_apart() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(Failure::from(gone).is_broken_pipe());
    }
}
