//! Identities.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `bulla identity`.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Make an identity: a private key and its certificate, in one new PEM file.
    #[command(after_help = "\
Without --ca the identity certifies itself, and can certify others.

Examples:
  bulla identity new --name alice --out alice.pem
  bulla identity new --name alice --password --out alice.pem
  bulla identity new --name phone --ca alice.pem --bits 2048 --out phone.pem")]
    New(NewArgs),
    /// Print who an identity or certificate is.
    #[command(after_help = "\
Neither the private key nor its password is needed.

Examples:
  bulla identity show alice.pem
  bulla identity show alice.pem --json")]
    Show {
        /// An identity, a certificate, or the name of a pair FILE.pem and FILE.crt.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Check that a certificate leads to one that is trusted. Exit code 1 if it does not.
    #[command(after_help = "\
Without --ca only a certificate that certifies itself passes: it is whole, and still valid.

Examples:
  bulla identity verify phone.pem --ca alice.pem")]
    Verify {
        /// The certificate, followed by its issuers if there are some.
        #[arg(value_name = "CERT", value_hint = ValueHint::FilePath)]
        certificate: PathBuf,
        /// The certificate to trust.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        ca: Option<PathBuf>,
    },
}

/// `bulla identity new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The common name in the certificate: a claim, not a proof.
    #[arg(long, default_value = "bulla")]
    pub name: String,
    /// The size of the RSA key, 2048 to 8192.
    #[arg(long, default_value_t = 4096)]
    pub bits: usize,
    /// The identity of the authority that issues the certificate.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// Read the authority's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", requires = "ca", value_hint = ValueHint::FilePath)]
    pub ca_password_file: Option<PathBuf>,
    /// Protect the private key by a password, which is asked for.
    #[arg(long)]
    pub password: bool,
    /// Protect the private key by the password in a file (its first line).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// The file to make; one that exists is never written over.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}
