//! Contacts.

use std::path::PathBuf;

use bulla_identity::Fingerprint;
use clap::{Subcommand, ValueHint};

use crate::keyring::Name;

/// `bulla contact`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// Give somebody a name.
    #[command(after_help = "\
The name is yours to choose: it need not be that of the certificate, which anybody can claim.

Examples:
  bulla contact add bob 5bd9bcd2b8d8dfbb6ee5a2dcbc32c7cd4d5a4a52d0ff4ed1b5c1d3a1c6ed9c0e
  bulla contact add bob bob.crt")]
    Add {
        /// The name.
        name: Name,
        /// The long id (64 hexadecimal digits), or a file with the certificate.
        #[arg(value_name = "ID|CERT", value_hint = ValueHint::FilePath)]
        who: String,
    },
    /// List whom you know.
    #[command(after_help = "\
Examples:
  bulla contact list
  bulla contact list --json")]
    List,
    /// Compare fingerprints with somebody, and remember that they matched. Exit code 1 if they do
    /// not.
    #[command(after_help = "\
Meet, or call each other and know the voice. Read your words aloud, and let the other read theirs: all twelve must match
what the other sees.

Examples:
  bulla contact verify bob
  bulla contact verify bob --words 'abandon ability able about above absent absorb abstract absurd abuse access accident'
  bulla contact verify bob --yes --json")]
    Verify {
        /// Who.
        name: Name,
        /// The identity whose fingerprint the other is to see; the default one unless given.
        #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
        identity: Option<PathBuf>,
        /// The other's words, as they reached you some other way, instead of a question.
        #[arg(long)]
        words: Option<Fingerprint>,
        /// Say that they match, instead of being asked.
        #[arg(long, conflicts_with = "words")]
        yes: bool,
    },
    /// Forget somebody.
    #[command(after_help = "\
Examples:
  bulla contact remove bob")]
    Remove {
        /// Who.
        name: Name,
    },
}
