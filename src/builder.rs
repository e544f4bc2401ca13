//! [`Builder`]: the settings of a node to be started.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

use bulla_identity::Identity;
use thiserror::Error;
use tokio::sync::watch;
use tracing::warn;

use crate::client::{
    Connectivity, Dht, HostPort, Link, ParseHostPortError, ResolveError, StateError, Static,
    StatusWatch,
};
use crate::net::{BindError, BindPlan, Sockets};
use crate::node::Node;
use crate::runner::bootstrap::{Bootstrap, resolve_all};
use crate::runner::clock::{self, Clock};
use crate::runner::driver::{Channels, Driver};
use crate::runner::pool::{Pool, STARVED_AFTER};
use crate::runner::state::{Ports, StateFile, ports_of};
use crate::secure::{CertificateSource, Job, SecureConfig, SecureDht};
use crate::{Config, ConfigError, InfoHash};

/// Default of [`Builder::backlog_bytes`].
const BACKLOG_BYTES: usize = 16 << 20;
/// Most threads that are started by default: with more, the driver is what limits.
const MAX_DEFAULT_WORKERS: usize = 8;

/// A node to be started: settings first, then [`Builder::start`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bulla::Dht;
///
/// let first = Dht::builder().bind("127.0.0.1:0".parse()?).start().await?;
/// let second = Dht::builder()
///     .bind("127.0.0.1:0".parse()?)
///     .bootstrap(first.addresses()[0].to_string())
///     .start()
///     .await?;
/// second.put("greeting", "hello").await?;
/// assert_eq!(first.get_all("greeting").await?[0].text()?, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use = "a node runs once it is started"]
pub struct Builder {
    config: Config,
    secure: SecureConfig,
    identity: Option<Identity>,
    certificates: Option<CertificateSource>,
    peers: Vec<String>,
    bind: Vec<SocketAddr>,
    port: u16,
    state: Option<PathBuf>,
    workers: Option<NonZero<usize>>,
    backlog_bytes: usize,
    receive_buffer: Option<usize>,
}

/// The node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A bootstrap peer is no host with or without a port.
    #[error(transparent)]
    Peer(#[from] ParseHostPortError),
    /// No bootstrap peer has an address: a misspelt name, or no network.
    #[error("no bootstrap peer has an address: {}", .0.iter().map(describe).collect::<Vec<_>>().join("; "))]
    Unresolved(Vec<ResolveError>),
    /// A port is taken, or an address not one of ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The saved state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system has no entropy.
    #[error("the system has no randomness to give")]
    Entropy(#[source] io::Error),
}

impl Dht {
    /// Returns the settings of a node to be started, all at their defaults: on all addresses, on
    /// any port, without bootstrap peers, anonymous.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            config: Config::default(),
            secure: SecureConfig::default(),
            identity: None,
            certificates: None,
            peers: Vec::new(),
            bind: Vec::new(),
            port: 0,
            state: None,
            workers: None,
            backlog_bytes: BACKLOG_BYTES,
            receive_buffer: None,
        }
    }

    /// Signs and decrypts as this identity, and publishes its certificate.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Makes contact with this peer, `host` or `host:port`, at the start. Can be given several
    /// times.
    pub fn bootstrap(mut self, peer: impl Into<String>) -> Self {
        self.peers.push(peer.into());
        self
    }

    /// Joins this network; default 0, the public one.
    pub fn network(mut self, network: u32) -> Self {
        self.config.network = network;
        self
    }

    /// Listens on this UDP port, on all addresses; default 0, which is any free one, or that of the
    /// saved state. Of no effect beside [`Builder::bind`].
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Listens on this address, and on no other but those given the same way: at most one of each
    /// address family.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind.push(address);
        self
    }

    /// Asks other nodes not to list this one, as a client of the DHT.
    pub fn client(mut self, client: bool) -> Self {
        self.config.client = client;
        self
    }

    /// Sets everything about the node, in place of what [`Builder::network`] and
    /// [`Builder::client`] have set before.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the bounds of the secure layer.
    pub fn secure_config(mut self, config: SecureConfig) -> Self {
        self.secure = config;
        self
    }

    /// Asks this source for certificates before the DHT is searched. It is called by the driver and
    /// must not block.
    pub fn certificates(mut self, source: CertificateSource) -> Self {
        self.certificates = Some(source);
        self
    }

    /// Keeps id, contacts and values of the node in this file, in OpenDHT's form: read at the
    /// start, written every five minutes and at the end. Its ports are beside it in
    /// `<path>_port.txt`.
    pub fn state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }

    /// Does cryptography on this many threads; default one for each core, at most eight. 0 counts
    /// as 1. They begin when there is work for them. On Linux and Android they take only time that
    /// no other thread wants; one thread more, with a third of another's share, steps in where that
    /// leaves them none for 50 ms.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = NonZero::new(workers.max(1));
        self
    }

    /// Lets each get and listen hold values of this many bytes that the application has not read;
    /// default 16 MiB. Beyond, older ones give way.
    pub fn backlog_bytes(mut self, bytes: usize) -> Self {
        self.backlog_bytes = bytes;
        self
    }

    /// Asks the system for a receive buffer of this many bytes for each socket; default 4 MiB. It
    /// may give less, or twice that, as Linux does for what it counts besides.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Starts the node, as a task of the tokio runtime this is called in.
    ///
    /// It is running when this returns, and making its first contacts; [`Dht::wait_connected`]
    /// waits for them, which operations need not: they do so themselves, for some seconds.
    ///
    /// # Errors
    ///
    /// [`StartError`]: a setting out of its range, a port in use, a saved state that cannot be
    /// read, or not a single bootstrap peer that has an address. A peer without one among others is
    /// looked up again later.
    pub async fn start(self) -> Result<Dht, StartError> {
        let names = self
            .peers
            .iter()
            .map(|peer| peer.parse())
            .collect::<Result<BTreeSet<HostPort>, _>>()?;
        let file = self.state.clone().map(StateFile::new);
        let saved = match &file {
            Some(file) => file.read(clock::unix_now())?,
            None => None,
        };
        let sockets = self.open_sockets(file.as_ref())?;
        let (peers, unresolved) = resolve_all(&names).await;
        if peers.is_empty() && !unresolved.is_empty() {
            return Err(StartError::Unresolved(unresolved));
        }
        if let Some(file) = &file {
            file.write_ports(ports_of(&sockets.addresses()))?;
        }

        let workers = self.workers.unwrap_or_else(default_workers).get();
        let backlog_bytes = self.backlog_bytes;
        let pool = Pool::new(workers, STARVED_AFTER, Job::run, Job::failed);
        let clock = Clock::start();
        let id = saved.as_ref().map(|state| state.id);
        let dht = self.open_dht(clock, id)?;

        let (link, commands, cancels) = Link::new();
        let (status_out, status) = watch::channel(Connectivity::default());
        let status = StatusWatch::new(status);
        let fixed = Static {
            id: dht.node().id(),
            identity: dht.identity().map(Identity::long_id),
            addresses: sockets.addresses(),
            backlog_bytes,
            status: status.clone(),
        };
        let channels = Channels {
            commands,
            cancels,
            status: status_out,
        };
        let addresses = Vec::from_iter(peers.clone());
        let bootstrap = Bootstrap::start(names, peers, link.downgrade(), status);
        let mut driver = Driver::new(dht, clock, sockets, pool, channels, bootstrap, file);
        if let Some(state) = saved {
            driver.restore(&state);
        }
        driver.bootstrap(&addresses);
        tokio::spawn(Box::new(driver).run());
        Ok(Dht::new(link, fixed))
    }

    /// Binds the addresses wanted, or the port wanted on all, or the ports used last.
    fn open_sockets(&self, file: Option<&StateFile>) -> Result<Sockets, BindError> {
        if !self.bind.is_empty() {
            return Sockets::bind(self.sized(BindPlan::exactly(&self.bind)?));
        }
        let last = match file {
            Some(file) if self.port == 0 => file.read_ports(),
            Some(_) | None => Ports::default(),
        };
        if last != Ports::default() {
            match Sockets::bind(self.sized(BindPlan::everywhere(last))) {
                Ok(sockets) => return Ok(sockets),
                Err(error) => warn!(%error, "the ports used last are not free"),
            }
        }
        let ports = Ports::from_fn(|_| self.port);
        Sockets::bind(self.sized(BindPlan::everywhere(ports)))
    }

    fn sized(&self, plan: BindPlan) -> BindPlan {
        plan.receive_buffer(self.receive_buffer)
    }

    /// Makes the DHT, under the id it had last.
    fn open_dht(self, clock: Clock, last_id: Option<InfoHash>) -> Result<SecureDht, StartError> {
        let entropy = || clock::entropy().map_err(|error| StartError::Entropy(error.into()));
        let config = Config {
            id: last_id.or(self.config.id),
            ..self.config
        };
        let node = Node::new(config, entropy()?, clock.origin())?;
        let mut dht = SecureDht::new(node, self.identity, entropy()?, self.secure);
        if let Some(source) = self.certificates {
            dht.set_certificate_source(source);
        }
        Ok(dht)
    }
}

fn describe(error: &ResolveError) -> String {
    format!("{} ({})", error.name, error.source)
}

fn default_workers() -> NonZero<usize> {
    let cores = available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    NonZero::new(MAX_DEFAULT_WORKERS).map_or(cores, |most| cores.min(most))
}
