//! Passwords and the identities they open. A password is never an argument: others could read it there.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use bulla_identity::{Identity, KeyError, LoadError, Zeroizing};

use super::exit::{During, Failure, chain};

/// The longest password file that is read, in bytes.
const MAX_PASSWORD_FILE: u64 = 4096;

/// An identity on disk, and the file its password is in, if any.
pub(crate) struct IdentityFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) password_file: Option<PathBuf>,
    /// The option that names the password file.
    pub(crate) password_option: &'static str,
}

impl IdentityFile<'_> {
    /// Loads the identity. If it is protected and there is no password file, the password is asked for.
    pub(crate) fn load(&self) -> Result<Identity, Failure> {
        let password = self
            .password_file
            .as_deref()
            .map(read_password)
            .transpose()?;
        let load = |password: Option<&str>| Identity::load(self.path, password);
        match load(password.as_ref().map(|password| password.as_str())) {
            // The question goes to the terminal whatever standard input is.
            Err(LoadError::Key(KeyError::PasswordNeeded)) if io::stderr().is_terminal() => {
                let password = ask(&format!("Password of {}: ", self.path.display()))?;
                load(Some(&password)).map_err(|error| self.explain(&error))
            }
            loaded => loaded.map_err(|error| self.explain(&error)),
        }
    }

    fn explain(&self, error: &LoadError) -> Failure {
        let advice = match error {
            LoadError::Key(KeyError::PasswordNeeded | KeyError::WrongPassword) => {
                format!(" ({} FILE)", self.password_option)
            }
            LoadError::Read { .. } => " (`bulla identity new` makes one)".to_owned(),
            _ => String::new(),
        };
        Failure::new(format!(
            "cannot load identity {}: {}{advice}",
            self.path.display(),
            chain(error)
        ))
    }
}

/// Reads the first line of a password file.
pub(crate) fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let doing = || format!("cannot read password file {}", path.display());
    let mut text = Zeroizing::new(String::with_capacity(MAX_PASSWORD_FILE as usize));
    File::open(path)
        .and_then(|file| file.take(MAX_PASSWORD_FILE).read_to_string(&mut text))
        .during(doing())?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Failure::new(format!(
            "{}: its first line is empty",
            doing()
        ))),
    }
}

/// Asks for a new password, twice.
pub(crate) fn ask_new_password() -> Result<Zeroizing<String>, Failure> {
    let password = ask("New password: ")?;
    if password.is_empty() {
        return Err(Failure::new(
            "the password is empty: type one, or leave out --password",
        ));
    }
    if *password != *ask("The same again: ")? {
        return Err(Failure::new("the two passwords differ: nothing was made"));
    }
    Ok(password)
}

/// Asks for a password on the terminal.
pub(crate) fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .during("cannot ask for a password without a terminal (give --password-file FILE)")
}
