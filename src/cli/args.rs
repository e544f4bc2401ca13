//! What was typed: the command line as data, checked for form only.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bulla::secure::KeyName;
use bulla::{InfoHash, Query};
use bulla_identity::ParseKeyIdError;
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// A secure signed-value store on a Kademlia DHT that speaks OpenDHT's wire protocol.
#[derive(Debug, Parser)]
#[command(
    name = "bulla",
    version,
    propagate_version = true,
    after_help = "\
Exit codes: 0 done, 1 nothing found, not acknowledged or not trusted, 2 bad usage or failure.
A KEY is 40 hexadecimal digits; any other text is hashed.
BULLA_LOG=debug (or trace, or a filter) logs to standard error.

Examples:
  bulla demo
  bulla identity new --name alice --out alice.pem
  bulla node --bootstrap dht.example.org --identity alice.pem
  bulla put greeting hello --bootstrap dht.example.org --identity alice.pem --signed
  bulla get greeting --bootstrap dht.example.org --json"
)]
pub(crate) struct Cli {
    /// Print JSON: one object per line on standard output, nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole thing at work, on a small network of real nodes inside this process.
    #[command(after_help = "\
Needs no network and no arguments, and takes some seconds at most.

Examples:
  bulla demo
  bulla demo --json")]
    Demo,
    /// Run a node until it is interrupted.
    Node(NodeArgs),
    /// Put a value under a key.
    Put(PutArgs),
    /// Get the values under a key.
    Get(GetArgs),
    /// Print the values under a key, and what becomes of them, until interrupted.
    Listen(ListenArgs),
    /// Get only some fields of the values under a key.
    Query(QueryArgs),
    /// Make, show and verify identities.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Exchange signed or encrypted messages in a room.
    Chat(ChatArgs),
    /// Print a script that completes commands in a shell.
    #[command(after_help = "\
Examples:
  bulla completions bash > ~/.local/share/bash-completion/completions/bulla
  bulla completions fish > ~/.config/fish/completions/bulla.fish")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// How to join a network.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// A node to join by; may be repeated. The port is 4222 unless given.
    ///
    /// The variable holds several, with commas or spaces between.
    #[arg(
        long = "bootstrap",
        short = 'b',
        value_name = "HOST[:PORT]",
        env = "BULLA_BOOTSTRAP",
        value_delimiter = ',',
        hide_env_values = true
    )]
    bootstrap: Vec<String>,
    /// The network's number; nodes of other networks are not heard.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub network: u32,
    /// Who we are: a PEM file with private key and certificates, or the name of a pair FILE.pem and FILE.crt.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// Read the identity's password from a file instead of asking for it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// How long to wait for the network, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
}

/// `bulla node`.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal it is a prompt; `h` lists the commands. The same lines are read from a pipe.

Examples:
  bulla node
  bulla node --port 4223 --bootstrap 192.0.2.7:4222 --identity alice.pem
  bulla node --json --rate-limit off --storage-limit 1073741824 </dev/null
  echo 'g greeting' | bulla node --interactive --port 0 --bootstrap dht.example.org")]
pub(crate) struct NodeArgs {
    /// The UDP port; 0 lets the system choose.
    #[arg(long, short = 'p', value_name = "PORT", default_value_t = 4222)]
    pub port: u16,
    /// A local address to listen on; may be repeated. All addresses, IPv4 and IPv6, unless given.
    #[arg(long, value_name = "ADDR")]
    pub bind: Vec<IpAddr>,
    /// Join without serving others: nobody's table lists us.
    #[arg(long)]
    pub client: bool,
    /// Requests answered per second, from all peers together.
    #[arg(long, value_name = "N|off", value_parser = limit::<u32>)]
    pub rate_limit: Option<Limit<u32>>,
    /// Requests answered per second to one address.
    #[arg(long, value_name = "N|off", value_parser = limit::<u32>)]
    pub peer_rate_limit: Option<Limit<u32>>,
    /// Bytes of values kept for others; `off` lifts the limit for each source too.
    #[arg(long, value_name = "BYTES|off", value_parser = limit::<usize>)]
    pub storage_limit: Option<Limit<usize>>,
    /// Keep contacts and values in this file from one run to the next.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,
    /// Take commands, and end with the input; on a terminal the default.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub interactive: Option<bool>,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// `bulla put`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bulla put greeting hello -b dht.example.org
  bulla put report --file report.pdf --type 100 -b dht.example.org
  echo hello | bulla put greeting - -b dht.example.org
  bulla put greeting 'hello again' --id 7 --signed --identity alice.pem -b dht.example.org
  bulla put inbox 'for your eyes' --encrypt-for LONG_ID --identity alice.pem -b dht.example.org")]
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
    #[arg(long, requires = "identity")]
    pub signed: bool,
    /// Encrypt it for the identity with this long id (64 hexadecimal digits), signed within. OpenDHT before 3.5 goes by the
    /// short id, 40 digits.
    #[arg(long, value_name = "LONG_ID", requires = "identity", value_parser = recipient)]
    pub encrypt_for: Option<KeyName>,
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
  bulla get inbox --identity bob.pem")]
pub(crate) struct GetArgs {
    /// Where to look.
    pub key: InfoHash,
    /// Only values that meet the conditions.
    #[arg(long = "where", value_name = "CONDITIONS", default_value = "", value_parser = conditions, hide_default_value = true)]
    pub filter: Query,
    /// Stop at the first value.
    #[arg(long)]
    pub first: bool,
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
  bulla listen inbox --identity bob.pem --json")]
pub(crate) struct ListenArgs {
    /// Where to listen.
    pub key: InfoHash,
    /// Only values that meet the conditions (see `bulla get --help`).
    #[arg(long = "where", value_name = "CONDITIONS", default_value = "", value_parser = conditions, hide_default_value = true)]
    pub filter: Query,
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

/// `bulla chat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Lines typed are sent; those of others are shown. The end of the input ends the chat.

Examples:
  bulla chat lobby --identity alice.pem -b dht.example.org
  bulla chat lobby --identity alice.pem --to LONG_ID -b dht.example.org")]
pub(crate) struct ChatArgs {
    /// The room: a key.
    pub room: InfoHash,
    /// Encrypt what is typed for the identity with this long id (64 hexadecimal digits). OpenDHT before 3.5 goes by the short
    /// id, 40 digits.
    #[arg(long, value_name = "LONG_ID", value_parser = recipient)]
    pub to: Option<KeyName>,
    /// How to join.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Long enough for anyone, and far from where clocks overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A bound that can be switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit<T> {
    /// So much and no more.
    At(T),
    /// No bound.
    Off,
}

impl NetworkArgs {
    /// The nodes to join by.
    pub(crate) fn bootstrap(&self) -> impl Iterator<Item = &str> {
        self.bootstrap
            .iter()
            .flat_map(|hosts| hosts.split_whitespace())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|span| *span <= MAX_TIMEOUT)
        .ok_or_else(|| "expected a number of seconds, at most a year".to_owned())
}

fn limit<T: std::str::FromStr>(text: &str) -> Result<Limit<T>, String> {
    match text {
        "off" => Ok(Limit::Off),
        _ => text
            .parse()
            .map(Limit::At)
            .map_err(|_| "expected a whole number or `off`".to_owned()),
    }
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
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_taken_before_and_after_the_command() {
        assert!(parse("bulla --json get k").unwrap().json);
        assert!(parse("bulla get k --json").unwrap().json);
        assert!(parse("bulla identity show f --json").unwrap().json);
        assert!(!parse("bulla get k").unwrap().json);
    }

    #[test]
    fn several_bootstrap_nodes_are_taken() {
        let Command::Get(args) = parse("bulla get k -b a:1,b --bootstrap [::1]:2")
            .unwrap()
            .command
        else {
            panic!("get");
        };
        assert_eq!(
            args.network.bootstrap().collect::<Vec<_>>(),
            ["a:1", "b", "[::1]:2"]
        );
    }

    #[test]
    fn limits_are_numbers_or_off() {
        assert_eq!(limit("12"), Ok(Limit::At(12u32)));
        assert_eq!(limit::<u32>("off"), Ok(Limit::Off));
        assert!(limit::<u32>("-1").is_err());
    }

    #[test]
    fn recipients_go_by_their_long_id_or_their_short_one() {
        for digits in [40, 64] {
            let id = "ab".repeat(digits / 2);
            assert_eq!(recipient(&id).unwrap().to_string(), id);
        }
        assert!(recipient("abc").is_err());
    }

    #[test]
    fn timeouts_are_sane() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["-1", "inf", "NaN", "1e300", "1e18", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "bulla",
            "bulla put k",
            "bulla put k v --file f",
            "bulla put k v --signed",
            "bulla put k v --encrypt-for 12 --identity f",
            "bulla put k v --id -1",
            "bulla get k --where nonsense",
            "bulla query k",
            "bulla identity new",
            "bulla node --storage-limit much",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
