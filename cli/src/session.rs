//! [`Session`]: a short stay in a network, as a client that no table lists.

use std::path::PathBuf;
use std::time::Duration;

use bulla::{Builder, Config, Dht};
use tokio::time::{Instant, timeout_at};

use super::args::NetworkArgs;
use super::exit::{Context, Failure};
use super::keyring::Keyring;
use super::printer::Printer;
use super::secret::IdentityFile;

/// A node of a command that does its work and leaves.
pub(crate) struct Session {
    /// The node.
    pub(crate) dht: Dht,
    patience: Duration,
    deadline: Instant,
}

impl Session {
    /// Starts a client on a port of the system's choice, and waits until it is connected.
    pub(crate) async fn join(args: &NetworkArgs, printer: &Printer) -> Result<Self, Failure> {
        let peers = args.bootstrap().collect::<Vec<_>>().join(", ");
        if peers.is_empty() {
            return Err(Failure::new(
                "no network to join: give --bootstrap HOST[:PORT], or set BULLA_BOOTSTRAP",
            ));
        }
        let config = Config {
            client: true,
            ..Config::default()
        };
        // It may ask for a password, the time for which does not count.
        let builder = builder(args, config, printer)?;
        let deadline = Instant::now() + args.timeout;
        let dht = start(builder).await?;
        let session = Self {
            dht,
            patience: args.timeout,
            deadline,
        };
        let Some(connected) = session.in_time(session.dht.wait_connected()).await else {
            return Err(Failure::new(format!(
                "no answer from {peers} within {} s: check --bootstrap, --network and the firewall, or raise --timeout",
                args.timeout.as_secs_f64()
            )));
        };
        connected.context("cannot join the network")?;
        Ok(session)
    }

    /// Returns what comes of `work`, unless the time of the whole command runs out before.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.deadline, work).await.ok()
    }

    /// Returns the seconds that the whole command may take.
    pub(crate) fn patience(&self) -> f64 {
        self.patience.as_secs_f64()
    }

    /// Leaves the network, at once.
    pub(crate) async fn leave(self) -> Result<(), Failure> {
        self.dht
            .shutdown_within(Duration::ZERO)
            .await
            .context("cannot end the node")
    }
}

/// Describes a node, as the network's options say.
pub(crate) fn builder(
    args: &NetworkArgs,
    config: Config,
    printer: &Printer,
) -> Result<Builder, Failure> {
    let config = Config {
        network: args.network,
        ..config
    };
    let mut builder = Dht::builder().config(config);
    for peer in args.bootstrap() {
        builder = builder.bootstrap(peer);
    }
    if let Some(path) = identity(args)? {
        let file = IdentityFile {
            path: &path,
            password_file: args.password.path(),
            password_option: match args.identity {
                Some(_) => "--password-file",
                None => "--anonymous to go without the default identity, or --password-file",
            },
        };
        builder = builder.identity(file.load(printer)?);
    }
    Ok(builder)
}

/// Returns the file of the identity asked for, else of the default one, if there is one.
fn identity(args: &NetworkArgs) -> Result<Option<PathBuf>, Failure> {
    let keyring = Keyring::open()?;
    match &args.identity {
        Some(named) => Ok(Some(keyring.identity_path(named))),
        None if args.anonymous => Ok(None),
        None => keyring.default_identity(),
    }
}

/// Fails without an identity, which `what` needs.
pub(crate) fn require_identity(args: &NetworkArgs, what: &str) -> Result<(), Failure> {
    match identity(args)? {
        Some(_) => Ok(()),
        None => Err(Failure::new(format!(
            "{what}: say by whom with --identity NAME, or make a default with `bulla identity new NAME`"
        ))),
    }
}

/// Starts a node.
pub(crate) async fn start(builder: Builder) -> Result<Dht, Failure> {
    builder.start().await.context("cannot start the node")
}
