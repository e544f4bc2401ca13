//! What is put, and what is looked for.

use std::path::PathBuf;

use bulla::secure::KeyName;
use bulla::{InfoHash, Query};
use bulla_identity::ParseKeyIdError;
use clap::{Args, ValueHint};

use super::network::NetworkArgs;
use super::trust::{BoundArgs, TrustArgs};

/// `bulla put`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bulla put greeting hello -b dht.example.org
  bulla put report --file report.pdf --type 100 -b dht.example.org
  echo hello | bulla put greeting - -b dht.example.org
  bulla put greeting 'hello again' --id 7 --signed --identity alice.pem -b dht.example.org
  bulla put door open --signed --bound-until 90s --identity alice.pem -b dht.example.org
  bulla put inbox 'for your eyes' --encrypt-for LONG_ID --identity alice.pem -b dht.example.org
  bulla put inbox 'for both' --encrypt-for bob --encrypt-for carol --compatible --identity alice.pem")]
pub(crate) struct PutArgs {
    /// Where to put it.
    pub key: InfoHash,
    /// The value as text, or `-` for what standard input holds.
    #[arg(required_unless_present = "file")]
    pub value: Option<String>,
    /// Put what this file holds; `-` is standard input.
    #[arg(long, value_name = "F", conflicts_with = "value", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Sign it, so that only we can change it. A put of the same number replaces the one before.
    #[arg(long)]
    pub signed: bool,
    /// Encrypt it for a contact, or for the identity with this long id (64 hexadecimal digits),
    /// signed within; may be repeated. OpenDHT before 3.5 goes by the short id, 40 digits.
    #[arg(long, value_name = "CONTACT|LONG_ID")]
    pub encrypt_for: Vec<String>,
    /// Put a value for several readers once for each of them, so that OpenDHT can read it too.
    #[arg(long, requires = "encrypt_for")]
    pub compatible: bool,
    /// How it is bound.
    #[command(flatten)]
    pub bound: BoundArgs,
    /// The value's number under the key; drawn at random unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub id: Option<u64>,
    /// The value type's number.
    #[arg(long = "type", value_name = "N", default_value_t = 0)]
    pub kind: u16,
    /// A text that values can be told apart by.
    #[arg(long, value_name = "S", default_value = "")]
    pub user_type: String,
    /// Stay, and announce the value again before it expires, until interrupted.
    #[arg(long)]
    pub permanent: bool,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `bulla get`.
#[derive(Debug, Args)]
#[command(after_help = "\
A condition is id=N, value_type=N, owner_pk=SHORT_ID or user_type=TEXT; several have commas between and must all hold.

Examples:
  bulla get greeting -b dht.example.org
  bulla get greeting --first --where user_type=text/plain --json
  bulla get inbox --identity bob.pem --from alice --bound-only
  bulla get prices --trusted-by company.pem --crl revoked.crl")]
pub(crate) struct GetArgs {
    /// Where to look.
    pub key: InfoHash,
    /// Only values that meet the conditions.
    #[arg(long = "where", value_name = "CONDITIONS", default_value = "", value_parser = conditions, hide_default_value = true)]
    pub filter: Query,
    /// Stop at the first value.
    #[arg(long)]
    pub first: bool,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `bulla listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Values that expire are printed again, marked as expired.

Examples:
  bulla listen greeting -b dht.example.org
  bulla listen inbox --identity bob.pem --from alice --json")]
pub(crate) struct ListenArgs {
    /// Where to listen.
    pub key: InfoHash,
    /// Only values that meet the conditions (see `bulla get --help`).
    #[arg(long = "where", value_name = "CONDITIONS", default_value = "", value_parser = conditions, hide_default_value = true)]
    pub filter: Query,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `bulla query`.
#[derive(Debug, Args)]
#[command(after_help = "\
The fields are id, value_type, owner_pk, seq and user_type. What they say is not verified: no signature travels along.

Examples:
  bulla query greeting --select id,seq -b dht.example.org
  bulla query greeting --select id --where owner_pk=SHORT_ID --json")]
pub(crate) struct QueryArgs {
    /// Where to look.
    pub key: InfoHash,
    /// The fields wanted, with commas between.
    #[arg(long, value_name = "FIELDS")]
    pub select: String,
    /// Only of values that meet the conditions (see `bulla get --help`).
    #[arg(long = "where", value_name = "CONDITIONS", default_value = "")]
    pub filter: String,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `bulla chat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Lines typed are sent; those of others are shown. The end of the input ends the chat.

Examples:
  bulla chat lobby --identity alice.pem -b dht.example.org
  bulla chat lobby --identity alice.pem --to LONG_ID -b dht.example.org
  bulla chat lobby --identity alice.pem --from bob --from carol -b dht.example.org")]
pub(crate) struct ChatArgs {
    /// The room: a key.
    pub room: InfoHash,
    /// Encrypt what is typed for a contact, or for the identity with this long id (64 hexadecimal
    /// digits); may be repeated. OpenDHT before 3.5 goes by the short id, 40 digits.
    #[arg(long, value_name = "CONTACT|LONG_ID")]
    pub to: Vec<String>,
    /// Send a message for several readers once to each of them, so that OpenDHT can read it too.
    #[arg(long, requires = "to")]
    pub compatible: bool,
    /// How messages are bound.
    #[command(flatten)]
    pub bound: BoundArgs,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Reads the name of an identity: its long id, or the short one, which OpenDHT before 3.5 goes by.
pub(crate) fn recipient(text: &str) -> Result<KeyName, String> {
    let long = text.parse().map(KeyName::Long);
    long.or_else(|_| text.parse().map(KeyName::Short))
        .map_err(|error: ParseKeyIdError| error.to_string())
}

fn conditions(text: &str) -> Result<Query, String> {
    query("", text)
}

/// Reads a query from its two parts; see [`Query`] for their form.
pub(crate) fn query(select: &str, filter: &str) -> Result<Query, String> {
    let clause = |word, text: &str| match text.trim() {
        "" => String::new(),
        text => format!("{word} {text} "),
    };
    let text = clause("SELECT", select) + &clause("WHERE", filter);
    text.parse()
        .map_err(|error: bulla::ParseQueryError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_go_by_their_long_id_or_their_short_one() {
        for digits in [40, 64] {
            let id = "ab".repeat(digits / 2);
            assert_eq!(recipient(&id).unwrap().to_string(), id);
        }
        assert!(recipient("abc").is_err());
    }
}
