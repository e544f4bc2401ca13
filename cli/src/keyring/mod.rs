//! [`Keyring`]: the user's identities and contacts, in a directory of files.
//!
//! | file | holds |
//! |---|---|
//! | `identities/NAME.pem` | an identity: its private key and certificates |
//! | `default` | the name of the identity that is used unless another is asked for |
//! | `contacts.json` | the long ids of others, by the names that the user gave them |
//! | `lock` | nothing: it is locked by the program that changes the others |

mod contacts;
mod disk;
mod name;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bulla::secure::KeyName;
use bulla_identity::{Identity, KeyKind, SaveError};
use etcetera::BaseStrategy;

pub(crate) use contacts::{Contact, Contacts};
pub(crate) use name::Name;

use super::args::recipient;
use super::exit::{Context, Failure, chain};

/// The directory of identities and contacts. Opening it reads nothing, and it is made when
/// something is saved.
pub(crate) struct Keyring {
    home: PathBuf,
}

impl Keyring {
    /// Opens the keyring in the directory that `BULLA_HOME` names, else in the one where the
    /// platform wants configuration.
    pub(crate) fn open() -> Result<Self, Failure> {
        if let Some(home) = env::var_os("BULLA_HOME").filter(|home| !home.is_empty()) {
            return Ok(Self { home: home.into() });
        }
        let platform = etcetera::choose_base_strategy()
            .context("cannot tell where your keyring is (set BULLA_HOME to a directory)")?;
        Ok(Self {
            home: platform.config_dir().join("bulla"),
        })
    }

    /// Returns the file of the identity that was asked for by its name or by a path, to which
    /// `.pem` may have to be added. A name comes first: `./alice` is a file for sure.
    pub(crate) fn identity_path(&self, named: &Path) -> PathBuf {
        let kept = named.to_str().and_then(|text| text.parse().ok());
        if let Some(path) = kept.map(|name| self.file_of(&name))
            && path.exists()
        {
            return path;
        }
        let mut path = named.to_path_buf();
        if !path.exists() {
            path.as_mut_os_string().push(".pem");
        }
        if path.exists() {
            path
        } else {
            named.to_path_buf()
        }
    }

    /// Returns the file of the identity that was asked for, or of the default one.
    pub(crate) fn identity_or_default(&self, named: Option<&Path>) -> Result<PathBuf, Failure> {
        match named {
            Some(named) => Ok(self.identity_path(named)),
            None => self.default_identity()?.ok_or_else(|| {
                Failure::new(
                    "there is no default identity: say which one, or make one with `bulla identity new NAME`",
                )
            }),
        }
    }

    /// Returns the file of the identity that is used unless another is asked for.
    pub(crate) fn default_identity(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(name) = self.default_name()? else {
            return Ok(None);
        };
        let path = self.file_of(&name);
        if !path.exists() {
            return Err(Failure::new(format!(
                "the default identity {name} is gone: `bulla identity default` sets another"
            )));
        }
        Ok(Some(path))
    }

    /// Returns the name of the identity that is used unless another is asked for.
    pub(crate) fn default_name(&self) -> Result<Option<Name>, Failure> {
        let path = self.home.join("default");
        let text = disk::read(&path)?;
        text.map(|text| text.trim_end().parse())
            .transpose()
            .context(format_args!("cannot use {}", path.display()))
    }

    /// Chooses the identity that is used unless another is asked for, or none.
    pub(crate) fn set_default(&self, name: Option<&Name>) -> Result<(), Failure> {
        let _lock = self.lock()?;
        if let Some(name) = name {
            self.kept(name)?;
        }
        self.write_default(name)
    }

    /// Returns the names of the identities kept here.
    pub(crate) fn identities(&self) -> Result<Vec<Name>, Failure> {
        let directory = self.identities_directory();
        let doing = || format!("cannot list {}", directory.display());
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(doing())?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = PathBuf::from(entry.context(doing())?.file_name());
            if path.extension() == Some(OsStr::new("pem")) {
                let stem = path.file_stem().and_then(OsStr::to_str);
                names.extend(stem.and_then(|stem| stem.parse::<Name>().ok()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Keeps a new identity under a name, and returns whether it is the default now, as the first
    /// is if it can sign values.
    pub(crate) fn add_identity(
        &self,
        name: &Name,
        identity: &Identity,
        password: Option<&str>,
    ) -> Result<bool, Failure> {
        disk::make_directory(&self.identities_directory())?;
        let _lock = self.lock()?;
        let is_default =
            self.identities()?.is_empty() && identity.public_key().kind() == KeyKind::Rsa;
        identity
            .save(self.file_of(name), password)
            .map_err(|error| match error {
                SaveError::Exists { .. } => taken(name),
                error => Failure::new(chain(&error)),
            })?;
        if is_default {
            self.write_default(Some(name))?;
        }
        Ok(is_default)
    }

    /// Fails if there is an identity with this name.
    pub(crate) fn vacant(&self, name: &Name) -> Result<(), Failure> {
        if self.file_of(name).exists() {
            return Err(taken(name));
        }
        Ok(())
    }

    /// Returns the file of an identity that is kept here.
    pub(crate) fn kept(&self, name: &Name) -> Result<PathBuf, Failure> {
        let path = self.file_of(name);
        if !path.exists() {
            return Err(Failure::new(format!(
                "you have no identity {name}: `bulla identity list` shows all"
            )));
        }
        Ok(path)
    }

    /// Removes an identity. If it is the default there is none from then on.
    pub(crate) fn remove_identity(&self, name: &Name) -> Result<(), Failure> {
        let _lock = self.lock()?;
        let path = self.kept(name)?;
        if self.default_name()?.as_ref() == Some(name) {
            self.write_default(None)?;
        }
        fs::remove_file(&path).context(format_args!("cannot remove {}", path.display()))
    }

    /// Returns the id that a text names: of a contact, or the id itself, long or short.
    pub(crate) fn resolve(&self, text: &str) -> Result<KeyName, Failure> {
        if let Ok(id) = recipient(text) {
            return Ok(id);
        }
        let unknown = || {
            Failure::new(format!(
                "there is no contact {text:?}: `bulla contact list` shows all, `bulla contact add` adds one; or give a long id (64 hexadecimal digits) or a short one (40)"
            ))
        };
        let name = text.parse().map_err(|_| unknown())?;
        let contacts = self.contacts()?;
        let contact = contacts.get(&name).map_err(|_| unknown())?;
        Ok(KeyName::Long(contact.id))
    }

    /// Reads the contacts.
    pub(crate) fn contacts(&self) -> Result<Contacts, Failure> {
        let path = self.contacts_file();
        disk::read(&path)?.map_or_else(
            || Ok(Contacts::default()),
            |text| {
                Contacts::from_json(&text).context(format_args!(
                    "{} is damaged: mend it, or move it away",
                    path.display()
                ))
            },
        )
    }

    /// Changes the contacts, unless the change fails.
    pub(crate) fn change_contacts<T>(
        &self,
        change: impl FnOnce(&mut Contacts) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        disk::make_directory(&self.home)?;
        let _lock = self.lock()?;
        let mut contacts = self.contacts()?;
        let result = change(&mut contacts)?;
        disk::write(&self.contacts_file(), &contacts.to_json()?)?;
        Ok(result)
    }

    fn lock(&self) -> Result<fs::File, Failure> {
        disk::make_directory(&self.home)?;
        disk::lock(&self.home)
    }

    fn write_default(&self, name: Option<&Name>) -> Result<(), Failure> {
        let path = self.home.join("default");
        match name {
            Some(name) => disk::write(&path, &format!("{name}\n")),
            None if path.exists() => {
                fs::remove_file(&path).context(format_args!("cannot remove {}", path.display()))
            }
            None => Ok(()),
        }
    }

    fn contacts_file(&self) -> PathBuf {
        self.home.join("contacts.json")
    }

    fn identities_directory(&self) -> PathBuf {
        self.home.join("identities")
    }

    fn file_of(&self, name: &Name) -> PathBuf {
        self.identities_directory().join(format!("{name}.pem"))
    }
}

fn taken(name: &Name) -> Failure {
    Failure::new(format!(
        "you have an identity {name} already: choose another name, or `bulla identity remove {name}` first"
    ))
}
