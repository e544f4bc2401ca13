//! Passwords and the identities they open. A password is never an argument: others could read it there.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use bulla_identity::{Identity, KeyError, LoadError, Zeroizing};

use super::exit::{During, Failure, chain};

/// The longest password file that is read, in bytes.
const MAX_PASSWORD_FILE: u64 = 4096;

/// Loads an identity. If it is protected, the password is read from `password_file`, or asked for on the terminal.
pub(crate) fn load_identity(
    path: &Path,
    password_file: Option<&Path>,
) -> Result<Identity, Failure> {
    let shown = path.display();
    let failed = |error: LoadError| {
        let advice = match &error {
            LoadError::Key(KeyError::PasswordNeeded) => "; give --password-file FILE",
            LoadError::Read { .. } => "; `bulla identity new --out FILE` makes one",
            _ => "",
        };
        Failure::new(format!(
            "cannot load identity {shown}: {}{advice}",
            chain(&error)
        ))
    };
    let password = password_file.map(read_password).transpose()?;
    match Identity::load(path, password.as_ref().map(|password| password.as_str())) {
        Err(LoadError::Key(KeyError::PasswordNeeded)) if io::stdin().is_terminal() => {
            let password = ask(&format!("Password of {shown}: "))?;
            Identity::load(path, Some(&password)).map_err(failed)
        }
        result => result.map_err(failed),
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

fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .during("cannot ask for a password without a terminal (give --password-file FILE)")
}
