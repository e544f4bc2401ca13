//! Passwords and the identities they open. A password is never an argument: others could read it
//! there.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use bulla_identity::{Identity, KeyError, LoadError, Zeroizing};

use super::exit::{Context, Failure, chain};
use super::keyring::Keyring;
use super::printer::Printer;

/// The longest password file that is read, in bytes.
const MAX_PASSWORD_FILE: u64 = 4096;

/// A password, wiped from memory when it is no longer needed.
pub(crate) type Password = Zeroizing<String>;

/// An identity in the keyring or in a file of its own, and the file its password is in, if any.
pub(crate) struct IdentityFile<'a> {
    /// The name in the keyring, or the path.
    pub(crate) path: &'a Path,
    pub(crate) password_file: Option<PathBuf>,
    /// The option that names the password file.
    pub(crate) password_option: &'static str,
}

impl IdentityFile<'_> {
    /// Loads the identity, and prints a note if others can read its key. If it is protected and
    /// there is no password file, the password is asked for.
    pub(crate) fn load(&self, printer: &Printer) -> Result<Identity, Failure> {
        self.open(printer).map(|(identity, _)| identity)
    }

    /// Loads the identity like [`load`](Self::load), and returns the password if it has one.
    pub(crate) fn open(&self, printer: &Printer) -> Result<(Identity, Option<Password>), Failure> {
        let path = Keyring::open()?.identity_path(self.path);
        let (loaded, password) = unlock(
            path.display(),
            self.password_file.as_deref(),
            |password| Identity::load_with_warning(&path, password),
            |error| matches!(error, LoadError::Key(KeyError::PasswordNeeded)),
        )?;
        let (identity, warning) = loaded.map_err(|error| self.explain(&path, &error))?;
        if let Some(warning) = warning {
            printer.note(warning);
        }
        Ok((identity, password))
    }

    fn explain(&self, path: &Path, error: &LoadError) -> Failure {
        let advice = match error {
            LoadError::Key(KeyError::PasswordNeeded | KeyError::WrongPassword) => {
                format!(" ({} FILE)", self.password_option)
            }
            LoadError::Read { .. } => {
                " (`bulla identity list` shows yours, `bulla identity new` makes one)".to_owned()
            }
            _ => String::new(),
        };
        Failure::new(format!(
            "cannot load identity {}: {}{advice}",
            path.display(),
            chain(error)
        ))
    }
}

/// Opens what may be protected: without a password, and if it turns out to be `locked`, with the
/// one in the file, else with one that is asked for on a terminal. Returns the password if there is
/// one.
pub(crate) fn unlock<T, E>(
    what: impl Display,
    password_file: Option<&Path>,
    open: impl Fn(Option<&str>) -> Result<T, E>,
    is_locked: impl Fn(&E) -> bool,
) -> Result<(Result<T, E>, Option<Password>), Failure> {
    // A file that was named must exist, needed or not.
    let given = password_file.map(read_password).transpose()?;
    let opened = open(None);
    if !opened.as_ref().is_err_and(is_locked) {
        return Ok((opened, None));
    }
    let password = match given {
        Some(password) => password,
        // The question goes to the terminal whatever standard input is.
        None if io::stderr().is_terminal() => {
            ask(&format!("Password of {what}: "), "--password-file")?
        }
        None => return Ok((opened, None)),
    };
    Ok((open(Some(&password)), Some(password)))
}

/// Reads the new password in the file, or asks for one, twice.
pub(crate) fn new_password(file: Option<&Path>, option: &str) -> Result<Password, Failure> {
    if let Some(file) = file {
        return read_password(file);
    }
    let password = ask("New password: ", option)?;
    if password.is_empty() {
        return Err(Failure::new("the password is empty: nothing was done"));
    }
    if *password != *ask("The same again: ", option)? {
        return Err(Failure::new("the two passwords differ: nothing was done"));
    }
    Ok(password)
}

/// Reads the first line of a password file.
pub(crate) fn read_password(path: &Path) -> Result<Password, Failure> {
    let doing = || format!("cannot read password file {}", path.display());
    let mut text = Zeroizing::new(String::with_capacity(MAX_PASSWORD_FILE as usize));
    File::open(path)
        .and_then(|file| file.take(MAX_PASSWORD_FILE).read_to_string(&mut text))
        .context(doing())?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Failure::new(format!(
            "{}: its first line is empty",
            doing()
        ))),
    }
}

fn ask(question: &str, option: &str) -> Result<Password, Failure> {
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .context(format_args!(
            "cannot ask for a password without a terminal (give {option} FILE)"
        ))
}
