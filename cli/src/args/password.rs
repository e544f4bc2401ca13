//! Where passwords come from. They are never arguments themselves: others could read them there.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Where the password of an identity comes from that is not to be asked for.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the identity's password from the first line of a file instead of asking for it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Read it from an open file descriptor, such as 3 after `3< FILE`.
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    password_fd: Option<u32>,
}

/// Where a new password comes from that is not to be asked for.
#[derive(Debug, Args)]
pub(crate) struct NewPasswordArgs {
    /// Read the new password from the first line of a file instead of asking for it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    new_password_file: Option<PathBuf>,
    /// Read it from an open file descriptor, such as 4 after `4< FILE`.
    #[arg(long, value_name = "N", conflicts_with = "new_password_file")]
    new_password_fd: Option<u32>,
}

impl PasswordArgs {
    /// Returns the file to read.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        path(self.password_file.as_ref(), self.password_fd)
    }
}

impl NewPasswordArgs {
    /// Returns the file to read.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        path(self.new_password_file.as_ref(), self.new_password_fd)
    }
}

fn path(file: Option<&PathBuf>, descriptor: Option<u32>) -> Option<PathBuf> {
    let of_descriptor = |number| PathBuf::from(format!("/dev/fd/{number}"));
    file.cloned().or_else(|| descriptor.map(of_descriptor))
}
