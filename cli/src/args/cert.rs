//! Certificates and those who issue them.

use std::path::PathBuf;

use bulla_identity::{AlternativeName, RevocationReason};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};

use super::Deferred;
use super::identity::Key;
use super::network::NetworkArgs;
use crate::calendar::time;
use crate::describe::REASONS;

/// `bulla cert`.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Make a certificate authority: a root, or one below another.
    Ca(Deferred<CaArgs>),
    /// Ask for a certificate: a request (CSR) that an authority signs.
    Request(Deferred<RequestArgs>),
    /// Sign a request, as a certificate authority.
    Sign(Deferred<SignArgs>),
    /// Revoke certificates: make a revocation list, or the next one.
    Revoke(Deferred<RevokeArgs>),
    /// Show a revocation list. Exit code 1 if it is outdated, or not signed by --ca.
    #[command(after_help = "\
Examples:
  bulla cert crl ca.crl --ca ca.pem
  bulla cert crl ca.crl --json")]
    Crl {
        /// The list, in PEM or DER; `-` is standard input.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The certificate that must have signed it.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        ca: Option<PathBuf>,
    },
    /// Check that a certificate is to be trusted. Exit code 1 if it is not.
    Verify(Deferred<VerifyArgs>),
    /// Show what is in a file: a certificate with its issuers, a request or a revocation list, in
    /// PEM or DER.
    #[command(after_help = "\
Nothing is judged: see `bulla cert verify` and `bulla cert crl`.

Examples:
  bulla cert show alice.csr
  openssl s_client -connect example.org:443 </dev/null | bulla cert show - --json")]
    Show {
        /// The file; `-` is standard input.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Publish a certificate and its issuers in the DHT, where others find it by its ids.
    #[command(after_help = "\
A node that runs with an identity does this by itself. The private key and its password are not needed.

Examples:
  bulla cert publish -b dht.example.org
  bulla cert publish --identity alice.pem -b dht.example.org
  bulla cert publish --identity alice.pem --once -b dht.example.org")]
    Publish {
        /// Put it once and leave: it is gone when it expires. Otherwise stay, and put it again
        /// before, until interrupted.
        #[arg(long)]
        once: bool,
        /// How to join.
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Find the certificate that somebody published. Exit code 1 if there is none, or it is not
    /// trusted.
    Find(Deferred<FindArgs>),
}

/// `bulla cert ca`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keep the root off line: let it certify an authority that signs from day to day.

Examples:
  bulla cert ca 'Example Root' --password --out root.pem
  bulla cert ca 'Example Root' --key p384 --out root.pem
  bulla cert ca 'Example Issuing' --issuer root.pem --path-length 0 --days 1825 --out issuing.pem")]
pub(crate) struct CaArgs {
    /// The authority's common name.
    pub name: String,
    /// The identity of the authority above it; without one it certifies itself.
    #[arg(long, value_name = "IDENTITY", value_hint = ValueHint::FilePath)]
    pub issuer: Option<PathBuf>,
    /// Read the issuer's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", requires = "issuer", value_hint = ValueHint::FilePath)]
    pub issuer_password_file: Option<PathBuf>,
    /// How long the certificate is valid.
    #[arg(long, value_name = "N", default_value_t = 3650)]
    pub days: u32,
    /// How many authorities may stand below it in a chain, at most; 0 lets it certify no other.
    #[arg(long, value_name = "N")]
    pub path_length: Option<u8>,
    /// The kind of the key.
    #[arg(long, value_enum, default_value_t = Key::Rsa)]
    pub key: Key,
    /// The size of the RSA key, 2048 to 8192.
    #[arg(long, default_value_t = 4096)]
    pub bits: usize,
    /// Protect the private key by a password, which is asked for.
    #[arg(long)]
    pub password: bool,
    /// Protect the private key by the password in a file (its first line).
    #[arg(long, value_name = "FILE", conflicts_with = "password", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// The file to make, with key and certificates; one that exists is never written over.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// `bulla cert request`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("whose").required(true).args(["identity", "key", "new_key"]),
    after_help = "\
Save the chain that the authority gives you as alice.crt beside the key alice.pem, and the two are an identity.

Examples:
  bulla cert request --name alice --new-key alice.pem --out alice.csr
  bulla cert request --identity alice.pem --alt dns:alice.example --alt email:alice@example.org
  bulla cert request --name alice --key alice.pem --challenge-file word --out alice.csr")]
pub(crate) struct RequestArgs {
    /// The common name to ask for; that of the identity unless given.
    #[arg(long, required_unless_present = "identity")]
    pub name: Option<String>,
    /// The UID to ask for; the id of the key unless given, as OpenDHT has it.
    #[arg(long)]
    pub uid: Option<String>,
    /// An alternative name to ask for: dns:, email:, uri: or ip: and the name. May be repeated.
    #[arg(long = "alt", value_name = "KIND:NAME")]
    pub alternative_names: Vec<AlternativeName>,
    /// A word by which the authority knows us: the first line of this file. Whoever reads the
    /// request reads it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub challenge_file: Option<PathBuf>,
    /// Ask for the key of this identity.
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// Ask for the private key in this PEM file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Make a new key in this file; one that exists is never written over.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub new_key: Option<PathBuf>,
    /// The size of the new RSA key, 2048 to 8192.
    #[arg(long, default_value_t = 4096)]
    pub bits: usize,
    /// Protect the new key by a password, which is asked for.
    #[arg(long, requires = "new_key")]
    pub password: bool,
    /// The key's password, old or new: the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "password", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// The file to make; without one the request is printed.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `bulla cert sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Common name and UID are granted as they are asked for: look at them first, with `bulla cert show`.

Examples:
  bulla cert sign alice.csr --ca issuing.pem --days 90 --out alice.crt
  bulla cert sign web.csr --ca issuing.pem --grant-names --out web.crt
  bulla cert sign branch.csr --ca root.pem --path-length 0 --days 1825 --out branch.crt")]
pub(crate) struct SignArgs {
    /// The request, in PEM or DER; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub request: PathBuf,
    /// The identity of the authority.
    #[arg(long, value_name = "IDENTITY", value_hint = ValueHint::FilePath)]
    pub ca: PathBuf,
    /// Read the authority's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_password_file: Option<PathBuf>,
    /// How long the certificate is valid.
    #[arg(long, value_name = "N", default_value_t = 365)]
    pub days: u32,
    /// Grant the alternative names that are asked for too.
    #[arg(long)]
    pub grant_names: bool,
    /// Sign only a request with this challenge: the first line of this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub challenge_file: Option<PathBuf>,
    /// Make the owner a certificate authority.
    #[arg(long)]
    pub authority: bool,
    /// Make the owner an authority with at most so many others below it in a chain.
    #[arg(long, value_name = "N")]
    pub path_length: Option<u8>,
    /// The file to make, with the certificate and its issuers; without one they are printed.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `bulla cert revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
The list gets the number after the one before, and takes its place at once. Without a certificate it is made anew until a later day.

Examples:
  bulla cert revoke alice.crt --ca issuing.pem --reason key-compromise --crl issuing.crl
  bulla cert revoke --ca issuing.pem --crl issuing.crl --days 7")]
pub(crate) struct RevokeArgs {
    /// The certificates to revoke: the first one in each file.
    #[arg(value_name = "CERT", value_hint = ValueHint::FilePath)]
    pub certificates: Vec<PathBuf>,
    /// The identity of the authority that issued them.
    #[arg(long, value_name = "IDENTITY", value_hint = ValueHint::FilePath)]
    pub ca: PathBuf,
    /// Read the authority's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_password_file: Option<PathBuf>,
    /// Why.
    #[arg(long, default_value = "unspecified", value_parser = reasons())]
    pub reason: RevocationReason,
    /// The list: made in PEM, or extended if there is one.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub crl: PathBuf,
    /// By when there will be a newer list.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
}

/// `bulla cert verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
A reason is printed for what is not trusted; with --json `refusal` is one of expired, not-yet-valid, revoked, unknown-issuer,
bad-signature, unsupported-signature, not-a-ca, path-too-long, weak-key, critical-extension or other.

Examples:
  bulla cert verify alice.crt --ca root.pem
  bulla cert verify alice.crt --ca root.pem --crl root.crl --crl issuing.crl
  bulla cert verify alice.crt --ca root.pem --at 2030-01-01")]
pub(crate) struct VerifyArgs {
    /// The certificate, followed by its issuers if there are some; `-` is standard input.
    #[arg(value_name = "CERT", value_hint = ValueHint::FilePath)]
    pub certificate: PathBuf,
    /// A certificate to trust: the first one in the file, or that of an identity kept here. May be
    /// repeated.
    #[arg(long, value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
    /// A revocation list of an authority that is trusted or in the chain. May be repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub crl: Vec<PathBuf>,
    /// The time to judge at: 2026-08-21, 2026-08-21T09:00:00Z, or seconds since 1970. Now unless
    /// given.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<u64>,
}

/// `bulla cert find`.
#[derive(Debug, Args)]
#[command(after_help = "\
That the certificate is of the key with this id is certain. Who its owner claims to be, only --trusted-by judges.

Examples:
  bulla cert find alice -b dht.example.org
  bulla cert find LONG_ID --trusted-by root.pem --out alice.crt -b dht.example.org")]
pub(crate) struct FindArgs {
    /// A contact, or the long id of the owner's key (64 hexadecimal digits). OpenDHT before 3.5
    /// goes by the short id, 40 digits.
    #[arg(value_name = "CONTACT|ID")]
    pub name: String,
    /// Take only a certificate that leads to this one: a file, or an identity kept here. May be
    /// repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub trusted_by: Vec<PathBuf>,
    /// A revocation list to go by. May be repeated.
    #[arg(long, value_name = "FILE", requires = "trusted_by", value_hint = ValueHint::FilePath)]
    pub crl: Vec<PathBuf>,
    /// The file to make, with the certificate and its issuers in PEM; one that exists is never
    /// written over.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

fn reasons() -> impl TypedValueParser<Value = RevocationReason> {
    PossibleValuesParser::new(REASONS.map(|(name, _)| name)).map(|name| {
        let known = REASONS.iter().find(|(known, _)| *known == name);
        known.map_or(RevocationReason::Unspecified, |(_, reason)| *reason)
    })
}
