//! [`Input`]: what is typed on a terminal, with history, or comes from a pipe.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustyline::DefaultEditor;
use tokio::sync::mpsc;

use super::exit::{Context, Failure};
use super::printer::Printer;
use super::saved_termios::SavedTermios;

/// Lines of standard input. A thread reads them, one when it is asked for, so that a prompt appears
/// when the answer to the line before is complete.
pub(crate) struct Input {
    ask: SyncSender<()>,
    typed: mpsc::Receiver<String>,
    is_asked: bool,
    /// The settings of the terminal, if it is one.
    _saved: Option<SavedTermios>,
}

impl Input {
    /// Reads a terminal, with `prompt` before the cursor and with history. What the returned
    /// printer prints appears above the line being typed.
    pub(crate) fn of_terminal(
        prompt: &'static str,
        printer: Printer,
    ) -> Result<(Self, Printer), Failure> {
        let saved = SavedTermios::save().context("cannot use the terminal")?;
        let mut editor = DefaultEditor::new().context("cannot use the terminal")?;
        let above = editor
            .create_external_printer()
            .context("cannot use the terminal")?;
        let read = move || match editor.readline(prompt) {
            Ok(line) => {
                // A history that is full or unchanged is no loss.
                let _ = editor.add_history_entry(&line);
                Some(line)
            }
            // Ctrl-C, Ctrl-D, or a terminal that is gone.
            Err(_) => None,
        };
        let input = Self::spawn(read, Some(saved))?;
        Ok((input, printer.above_prompt(above)))
    }

    /// Reads a pipe or file.
    pub(crate) fn of_pipe() -> Result<Self, Failure> {
        let read = || {
            let mut line = String::new();
            match io::stdin().read_line(&mut line) {
                Ok(0) | Err(_) => None,
                Ok(_) => Some(line),
            }
        };
        Self::spawn(read, None)
    }

    fn spawn(
        mut read: impl FnMut() -> Option<String> + Send + 'static,
        saved: Option<SavedTermios>,
    ) -> Result<Self, Failure> {
        let (ask, asked): (_, Receiver<()>) = sync_channel(1);
        let (sender, typed) = mpsc::channel(1);
        let reader = move || {
            while asked.recv().is_ok() {
                let Some(line) = read() else { return };
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("input".into());
        thread.spawn(reader).context("cannot read the input")?;
        Ok(Self {
            ask,
            typed,
            is_asked: false,
            _saved: saved,
        })
    }

    /// Returns the next line; `None` at the end. Loses nothing if it is dropped.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if !self.is_asked {
            // A reader that is gone has closed the other channel too.
            let _ = self.ask.try_send(());
            self.is_asked = true;
        }
        let line = self.typed.recv().await;
        self.is_asked = false;
        line
    }
}
