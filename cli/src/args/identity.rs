//! Identities.

use std::path::PathBuf;

use bulla_identity::{Curve, KeyKind};
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::Deferred;
use super::password::{NewPasswordArgs, PasswordArgs};
use crate::keyring::Name;

/// `bulla identity`.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make an identity: a private key and its certificate.
    #[command(after_help = "\
It is kept in your keyring under its name, unless --out says where else. The first one becomes the default: commands use it
unless another is asked for. Without --ca the identity certifies itself, and can certify others.
Only an RSA key can sign values, be written to, and become the default by itself; the others are for authorities.

Examples:
  bulla identity new alice
  bulla identity new alice --password
  bulla identity new phone --ca alice --bits 2048
  bulla identity new authority --key ed25519
  bulla identity new --name 'Alice in a file' --out alice.pem")]
    New(Deferred<NewArgs>),
    /// List the identities in your keyring.
    #[command(after_help = "\
Examples:
  bulla identity list
  bulla identity list --json")]
    List,
    /// Print who an identity or certificate is.
    #[command(after_help = "\
Neither the private key nor its password is needed.

Examples:
  bulla identity show
  bulla identity show alice
  bulla identity show bob.crt --json")]
    Show {
        /// An identity of yours, a file with an identity or certificate, or the name of a pair
        /// FILE.pem and FILE.crt. The default identity unless given.
        #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
        identity: Option<PathBuf>,
    },
    /// Write an identity or its certificates for other programs.
    #[command(after_help = "\
Certificates go to standard output unless --out is given. A private key goes only to a file, for its owner alone.

Examples:
  bulla identity export alice > alice.crt
  bulla identity export alice --format der --out alice.der
  bulla identity export alice --format pkcs12 --out alice.p12
  bulla identity export alice --with-key --out alice.pem --new-password-file FILE")]
    Export(Deferred<ExportArgs>),
    /// Keep an identity that other programs made in your keyring.
    #[command(after_help = "\
The password that opens it protects it here too, unless another is given.

Examples:
  bulla identity import alice alice.p12
  bulla identity import alice alice.pem
  bulla identity import alice alice.key --certificate alice.crt")]
    Import(Deferred<ImportArgs>),
    /// Set, change or remove the password of an identity.
    #[command(after_help = "\
Examples:
  bulla identity passwd alice
  bulla identity passwd alice --remove
  bulla identity passwd alice.pem --password-fd 3 --new-password-fd 4 3< old 4< new")]
    Passwd(Deferred<PasswdArgs>),
    /// Show or set the identity that commands use unless another is asked for.
    #[command(after_help = "\
Examples:
  bulla identity default
  bulla identity default alice
  bulla identity default --none")]
    Default {
        /// The identity to use from now on.
        name: Option<Name>,
        /// Use none from now on.
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Remove an identity from your keyring, for ever. Exit code 1 if you think better of it.
    #[command(after_help = "\
What was encrypted for it can be read no more.

Examples:
  bulla identity remove alice
  bulla identity remove alice --yes")]
    Remove {
        /// The identity.
        name: Name,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Check that a certificate leads to one that is trusted. Exit code 1 if it does not.
    #[command(after_help = "\
Without --ca only a certificate that certifies itself passes: it is whole, and still valid.

Examples:
  bulla identity verify phone.pem --ca alice.pem")]
    Verify {
        /// The certificate, followed by its issuers if there are some, or an identity of yours.
        #[arg(value_name = "CERT", value_hint = ValueHint::FilePath)]
        certificate: PathBuf,
        /// The certificate to trust, or an identity of yours.
        #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
        ca: Option<PathBuf>,
    },
}

/// `bulla identity new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The name in your keyring, and the common name in the certificate: a claim, not a proof.
    #[arg(value_name = "NAME", required_unless_present_any = ["common_name", "out"])]
    pub name: Option<String>,
    /// The same.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name")]
    pub common_name: Option<String>,
    /// The kind of the key.
    #[arg(long, value_enum, default_value_t = Key::Rsa)]
    pub key: Key,
    /// The size of an RSA key, 2048 to 8192.
    #[arg(long, default_value_t = 4096)]
    pub bits: usize,
    /// The identity of the authority that issues the certificate.
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// Read the authority's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", requires = "ca", value_hint = ValueHint::FilePath)]
    pub ca_password_file: Option<PathBuf>,
    /// Protect the private key by a password, which is asked for unless it is read from somewhere.
    #[arg(long)]
    pub password: bool,
    /// Where that password comes from.
    #[command(flatten)]
    pub password_from: PasswordArgs,
    /// The file to make instead of keeping it in your keyring; one that exists is never written
    /// over.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// A kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Key {
    /// Signs and reads values, and certifies.
    Rsa,
    /// Certifies alone.
    P256,
    /// Certifies alone.
    P384,
    /// Certifies alone.
    Ed25519,
}

impl Key {
    /// What the library calls it.
    pub(crate) fn kind(self) -> KeyKind {
        match self {
            Self::Rsa => KeyKind::Rsa,
            Self::P256 => KeyKind::Curve(Curve::P256),
            Self::P384 => KeyKind::Curve(Curve::P384),
            Self::Ed25519 => KeyKind::Curve(Curve::Ed25519),
        }
    }
}

/// A form in which identities are exchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Text: the certificate and its issuers', and the private key if it is wanted.
    Pem,
    /// The bytes of the certificate alone.
    Der,
    /// Key and certificates under one password, as browsers and mail programs exchange them.
    Pkcs12,
}

/// `bulla identity export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// An identity of yours or a file with one; the default identity unless given.
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// The form.
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    pub format: Format,
    /// Write the private key too; PKCS#12 always has it.
    #[arg(long, requires = "out")]
    pub with_key: bool,
    /// Leave the key that is written without a password: whoever reads the file has it.
    #[arg(long, requires = "with_key", conflicts_with_all = ["new_password_file", "new_password_fd"])]
    pub unprotected: bool,
    /// The file to make; one that exists is never written over.
    #[arg(long, value_name = "FILE", required_if_eq("format", "pkcs12"), value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// The password of the identity.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The password of the file that is made.
    #[command(flatten)]
    pub new_password: NewPasswordArgs,
}

/// `bulla identity import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The name in your keyring.
    pub name: Name,
    /// A PKCS#12 file, a PEM file with private key and certificates, the name of a pair FILE.pem
    /// and FILE.crt, or the private key (PEM or DER) if --certificate is given.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The certificate of the key, followed by its issuers' if there are some.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub certificate: Option<PathBuf>,
    /// The password of what is read.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The password to keep it under.
    #[command(flatten)]
    pub new_password: NewPasswordArgs,
}

/// `bulla identity passwd`.
#[derive(Debug, Args)]
pub(crate) struct PasswdArgs {
    /// An identity of yours or a file with one; the default identity unless given.
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// Leave it without a password: whoever reads the file has the key.
    #[arg(long, conflicts_with_all = ["new_password_file", "new_password_fd"])]
    pub remove: bool,
    /// The password as it is.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The password as it shall be.
    #[command(flatten)]
    pub new_password: NewPasswordArgs,
}
