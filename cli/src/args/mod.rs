//! What was typed: the command line as data, checked for form only.

mod cert;
mod contact;
mod deferred;
mod identity;
mod network;
mod password;
mod simulate;
mod trust;
mod values;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use cert::{
    CaArgs, CertCommand, FindArgs, RequestArgs, RevokeArgs, SignArgs, VerifyArgs,
};
pub(crate) use contact::ContactCommand;
pub(crate) use deferred::Deferred;
pub(crate) use identity::{ExportArgs, Format, IdentityCommand, ImportArgs, NewArgs, PasswdArgs};
pub(crate) use network::{Limit, NetworkArgs, NodeArgs};
pub(crate) use simulate::SimulateArgs;
pub(crate) use trust::TrustArgs;
pub(crate) use values::{ChatArgs, GetArgs, ListenArgs, PutArgs, QueryArgs, query, recipient};

/// A secure signed-value store on a Kademlia DHT that speaks OpenDHT's wire protocol.
#[derive(Debug, Parser)]
#[command(
    name = "bulla",
    version,
    propagate_version = true,
    after_help = "\
Exit codes: 0 done, 1 nothing found, not acknowledged or not trusted, 2 bad usage or failure.
A KEY is 40 hexadecimal digits; any other text is hashed.
Your identities and contacts are kept where the system wants configuration, or in the directory that BULLA_HOME names.
BULLA_LOG=debug (or trace, or a filter) logs to standard error.

Examples:
  bulla demo
  bulla identity new alice
  bulla node --bootstrap dht.example.org
  bulla put greeting hello --bootstrap dht.example.org --signed
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
    /// Simulate a network of nodes under virtual time, and measure it.
    Simulate(Deferred<SimulateArgs>),
    /// Run a node until it is interrupted.
    Node(Deferred<NodeArgs>),
    /// Put a value under a key.
    Put(Deferred<PutArgs>),
    /// Get the values under a key.
    Get(Deferred<GetArgs>),
    /// Print the values under a key, and what becomes of them, until interrupted.
    Listen(Deferred<ListenArgs>),
    /// Get only some fields of the values under a key.
    Query(Deferred<QueryArgs>),
    /// Make, keep, show and exchange identities: who you are.
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Do the work of a certificate authority: make one, sign requests, revoke, verify; publish and
    /// find certificates.
    #[command(subcommand)]
    Cert(CertCommand),
    /// Name those you know, and make sure that they are who you mean.
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Exchange signed or encrypted messages in a room.
    Chat(Deferred<ChatArgs>),
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
        let Command::Get(Deferred(args)) = parse("bulla get k -b a:1,b --bootstrap [::1]:2")
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
    fn what_makes_no_sense_is_refused() {
        for line in [
            "bulla",
            "bulla put k",
            "bulla put k v --file f",
            "bulla put k v --compatible",
            "bulla put k v --signed --bound-until never",
            "bulla get k --crl f",
            "bulla get k --identity f --anonymous",
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
