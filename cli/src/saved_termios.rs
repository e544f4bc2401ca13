//! [`SavedTermios`]: a terminal's settings before lines were read from it.

#[cfg(unix)]
pub(super) use unix::SavedTermios;

/// Elsewhere no signal ends a program that is reading a line.
#[cfg(not(unix))]
pub(super) struct SavedTermios;

#[cfg(not(unix))]
impl SavedTermios {
    pub(super) fn save() -> std::io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Write};

    use rustix::process::getpgrp;
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    /// Ends the mode that an editor of lines begins, in which the terminal marks what is pasted.
    const UNMARKED: &[u8] = b"\x1b[?2004l\r\n";

    /// The settings of the terminal, which are restored when this is dropped: the thread that reads
    /// a line changes them meanwhile, and cannot be stopped.
    pub(crate) struct SavedTermios(Termios);

    impl SavedTermios {
        /// Saves the settings of the terminal at standard input.
        pub(crate) fn save() -> io::Result<Self> {
            Ok(Self(tcgetattr(io::stdin())?))
        }
    }

    impl Drop for SavedTermios {
        fn drop(&mut self) {
            // A terminal that is gone needs nothing.
            let Ok(now) = tcgetattr(io::stdin()) else {
                return;
            };
            // In the background the terminal is another program's, and a process that changes it is
            // stopped.
            let is_ours = tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
            if is_ours && now.local_modes != self.0.local_modes {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
                let _ = io::stdout().write_all(UNMARKED);
                let _ = io::stdout().flush();
            }
        }
    }
}
