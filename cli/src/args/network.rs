//! How a command joins a network, and how a node of its own is run.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::password::PasswordArgs;

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
    /// Who we are: the name of an identity of ours, or a PEM file with private key and
    /// certificates. The default identity unless given, if there is one.
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// Be nobody: leave out the default identity.
    #[arg(long, conflicts_with = "identity")]
    pub anonymous: bool,
    /// Where the identity's password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
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
    /// A link-local one needs its zone: `fe80::1%eth0`.
    #[arg(long, value_name = "ADDR", value_parser = bind_address)]
    pub bind: Vec<SocketAddr>,
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

/// Long enough for any use, and far from where clocks overflow.
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
    /// Returns the nodes to join by.
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

/// Reads a local address; the system knows the number of a zone.
fn bind_address(text: &str) -> Result<SocketAddr, String> {
    if !text.contains('%') {
        let ip: IpAddr = text.parse().map_err(|_| "expected an IP address")?;
        return Ok(SocketAddr::new(ip, 0));
    }
    let mut found = (text, 0).to_socket_addrs().ok();
    let found = found.as_mut().and_then(Iterator::next);
    found.ok_or_else(|| "no interface has this name".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_or_off() {
        assert_eq!(limit("12"), Ok(Limit::At(12u32)));
        assert_eq!(limit::<u32>("off"), Ok(Limit::Off));
        assert!(limit::<u32>("-1").is_err());
    }

    #[test]
    fn timeouts_are_sane() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["-1", "inf", "NaN", "1e300", "1e18", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
