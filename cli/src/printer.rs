//! [`Printer`]: the only place that writes to standard output and standard error.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::error::ErrorKind;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value as Json;

use super::exit::{Exit, one_line};

/// Prints results as text for people or as JSON lines for programs, and notes on standard error.
/// Clones share the output.
#[derive(Clone)]
pub(crate) struct Printer {
    json: bool,
    colour: bool,
    prompt: Option<Arc<LineEditor>>,
}

/// What shows a line being typed, and text above it.
type LineEditor = Mutex<dyn rustyline::ExternalPrinter + Send>;

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// Headings and subjects.
    Bold,
    /// What matters less.
    Dim,
    /// What is as it should be.
    Good,
    /// What is not.
    Bad,
}

/// Text in a style, or plain where there are no colours.
pub(crate) struct Styled<T> {
    text: T,
    style: Option<Style>,
}

impl Printer {
    /// Makes a printer to this process's output. Colours are for terminals, unless `NO_COLOR` is
    /// set.
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json,
            colour: wanted && !json && io::stdout().is_terminal(),
            prompt: None,
        }
    }

    /// Makes text for people appear above the line that is being typed.
    pub(crate) fn above_prompt(
        self,
        prompt: impl rustyline::ExternalPrinter + Send + 'static,
    ) -> Self {
        Self {
            prompt: Some(Arc::new(Mutex::new(prompt))),
            ..self
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one result on standard output: the object as a line of JSON, or the text.
    ///
    /// # Errors
    ///
    /// What writing failed with.
    pub(crate) fn result(&self, object: &Json, text: impl Display) -> io::Result<()> {
        if self.json {
            self.write_line(object)
        } else {
            self.write_line(text)
        }
    }

    /// Prints text on standard output that only people want.
    ///
    /// # Errors
    ///
    /// What writing failed with.
    pub(crate) fn print(&self, text: impl Display) -> io::Result<()> {
        if self.json {
            Ok(())
        } else {
            self.write_line(text)
        }
    }

    /// Prints a note or a failure, one line on standard error. A failure to do so is ignored.
    pub(crate) fn note(&self, text: impl Display) {
        let _ = match &self.prompt {
            Some(prompt) => print_above(prompt, format_args!("bulla: {text}")),
            None => writeln!(io::stderr(), "bulla: {text}"),
        };
    }

    /// Styles a piece of text.
    pub(crate) fn style<T: Display>(&self, style: Style, text: T) -> Styled<T> {
        Styled {
            text,
            style: self.colour.then_some(style),
        }
    }

    /// Prints several results: each object as a line of JSON, or all rows as a table.
    ///
    /// # Errors
    ///
    /// What writing failed with.
    pub(crate) fn results<const N: usize>(
        &self,
        header: [&str; N],
        results: &[(Json, [String; N])],
    ) -> io::Result<()> {
        if self.json {
            return results
                .iter()
                .try_for_each(|(object, _)| self.write_line(object));
        }
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_header(header)
            .add_rows(results.iter().map(|(_, row)| row));
        self.write_line(table.trim_fmt())
    }

    /// Shows on a terminal that work of unknown length goes on, until dropped.
    pub(crate) fn spinner(&self, doing: &'static str) -> Spinner {
        let target = if self.json {
            ProgressDrawTarget::hidden()
        } else {
            // Draws on a terminal alone.
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(ProgressStyle::default_spinner())
            .with_message(doing);
        bar.enable_steady_tick(Duration::from_millis(80));
        Spinner(bar)
    }

    /// Shows on a terminal how far work has come, until cleared.
    pub(crate) fn progress(&self) -> Gauge {
        let target = if self.json {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let style = ProgressStyle::default_bar();
        let style = style.template("{wide_bar} {percent:>3} % {msg}");
        let bar = ProgressBar::with_draw_target(Some(Gauge::FULL.into()), target);
        Gauge(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn write_line(&self, text: impl Display) -> io::Result<()> {
        if let Some(prompt) = &self.prompt {
            return print_above(prompt, text);
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

fn print_above(prompt: &LineEditor, text: impl Display) -> io::Result<()> {
    let mut prompt = prompt.lock().unwrap_or_else(PoisonError::into_inner);
    prompt.print(format!("{text}\n")).map_err(io::Error::other)
}

/// Prints bytes for another program on standard output.
///
/// # Errors
///
/// What writing failed with.
pub(crate) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Asks something on standard error, and returns the line that is typed.
///
/// # Errors
///
/// What reading or writing failed with.
pub(crate) fn ask(question: impl Display) -> io::Result<String> {
    write!(io::stderr(), "{question} ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}

/// Prints the help or version that was asked for, or one line on what is wrong with the command
/// line.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // The reader may close the pipe before the end.
            let _ = error.print();
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Failed
        }
        _ => {
            let _ = writeln!(
                io::stderr(),
                "bulla: {} (see --help)",
                complaint(&error.to_string())
            );
            Exit::Failed
        }
    }
}

/// Returns what is wrong, without clap's usage and pointers to help, in one line.
fn complaint(text: &str) -> String {
    let paragraphs = text.trim_start_matches("error: ").split("\n\n");
    let told =
        paragraphs.take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
    told.map(one_line).collect::<Vec<_>>().join("; ")
}

/// How far work has come, on a terminal. Clones show the same.
#[derive(Clone)]
pub(crate) struct Gauge(ProgressBar);

impl Gauge {
    const FULL: u32 = 1_000;

    /// Shows what is being done, and how much of it is, from 0 to 1.
    pub(crate) fn show(&self, doing: String, share: f64) {
        self.0.set_message(doing);
        let full = f64::from(Self::FULL);
        // Neither negative nor large.
        #[allow(clippy::cast_sign_loss)]
        self.0.set_position((share.clamp(0.0, 1.0) * full) as u64);
    }

    /// Removes it from the terminal.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Shows on a terminal that work goes on.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    /// Shows how far the work has come.
    pub(crate) fn tell(&self, progress: String) {
        self.0.set_message(progress);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(style) = self.style else {
            return self.text.fmt(f);
        };
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Good => 32,
            Style::Bad => 31,
        };
        write!(f, "\x1b[{code}m")?;
        self.text.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}

/// Makes text of others safe to show: escapes control characters, which could command a terminal or
/// forge lines.
pub(crate) fn sanitize(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character changes how its neighbours are shown (Unicode TR 36, section 2.5).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_commands_no_terminal() {
        assert_eq!(sanitize("plain ü 漢"), "plain ü 漢");
        assert_eq!(sanitize("\x1b[2J\r\nroot"), r"\u{1b}[2J\r\nroot");
        assert_eq!(sanitize("a\u{202e}b"), r"a\u{202e}b");
    }

    #[test]
    fn a_complaint_is_one_line() {
        let text =
            "error: it is wrong:\n  <KEY>\n\n  tip: try this\n\nUsage: bulla get\n\nFor more";
        assert_eq!(complaint(text), "it is wrong: <KEY>; tip: try this");
    }

    #[test]
    fn styles_vanish_without_colours() {
        let mut printer = Printer::new(true);
        assert_eq!(printer.style(Style::Good, "ok").to_string(), "ok");
        printer.colour = true;
        assert_eq!(
            printer.style(Style::Good, "ok").to_string(),
            "\x1b[32mok\x1b[0m"
        );
    }
}
