//! [`Driver`]: the loop that feeds the DHT and does what it says. It decides nothing.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bulla_identity::Identity;
use tokio::sync::oneshot::Sender;
use tokio::sync::{mpsc, watch};
use tokio::task::coop;
use tokio::time::{Sleep, sleep_until};
use tracing::{debug, info, warn};

use super::bootstrap::Bootstrap;
use super::clock::Clock;
use super::pending::{Pending, ReplySlot};
use super::pool::Pool;
use super::state::{Saver, StateFile};
use crate::client::{
    ChangeWriter, Command, Connectivity, GetError, NodeInfo, PutError, PutValue, StateError,
};
use crate::net::Sockets;
use crate::node::{Core, OpError, OpId};
use crate::secure::{Done, Job, Scope, SecureDht, SecureEvent, SecureOutput, SignOptions};
use crate::wire::snapshot::State;
use crate::{Contact, InfoHash, Timestamp, ValueId};

/// Commands or finished jobs taken in one turn before outputs are seen to and others get their
/// turn.
const BUDGET: usize = 64;
/// How long the system's clocks are left alone at most: it may have slept, or been told the date.
const CLOCK_CHECK: Duration = Duration::from_secs(5);

/// How long a node that is shut down hands over what it stores at most.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// The driver's ends of the channels to handles.
pub(crate) struct Channels {
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Operations that are not read any more.
    pub(crate) cancels: mpsc::UnboundedReceiver<OpId>,
    pub(crate) status: watch::Sender<Connectivity>,
}

/// Everything that belongs to a running node.
pub(crate) struct Driver {
    dht: SecureDht,
    /// Where the events of each operation go.
    pending: Pending,
    clock: Clock,
    sockets: Sockets,
    pool: Pool<Job, Done>,
    channels: Channels,
    bootstrap: Bootstrap,
    /// Goes off when the DHT wants to be woken, or before.
    timer: Pin<Box<Sleep>>,
    saver: Option<Saver>,
    stage: Stage,
}

/// How far the node's life has gone.
enum Stage {
    Running,
    /// Waits for running puts and what is handed over, with a time-out; then replies to the callers
    /// that asked for the end.
    Stopping {
        timeout: Pin<Box<Sleep>>,
        replies: Vec<Sender<Result<(), StateError>>>,
    },
    /// The last handle is gone.
    Abandoned,
}

impl Driver {
    pub(crate) fn new(
        dht: SecureDht,
        clock: Clock,
        sockets: Sockets,
        pool: Pool<Job, Done>,
        channels: Channels,
        bootstrap: Bootstrap,
        state: Option<StateFile>,
    ) -> Self {
        Self {
            dht,
            pending: Pending::default(),
            timer: Box::pin(sleep_until(clock.instant(Timestamp::ZERO))),
            saver: state.map(|file| Saver::new(file, clock.instant(clock.now()))),
            clock,
            sockets,
            pool,
            channels,
            bootstrap,
            stage: Stage::Running,
        }
    }

    /// Runs the node until it is stopped or its last handle is gone.
    pub(crate) async fn run(mut self: Box<Self>) {
        info!(id = %self.dht.node().id(), addresses = ?self.sockets.addresses(), "node started");
        loop {
            self.check_clock();
            let wake = self.drain().await;
            if self.is_over() {
                return self.close().await;
            }
            self.turn(wake).await;
            coop::consume_budget().await;
        }
    }

    /// Takes in what was saved of the last node.
    pub(crate) fn restore(&mut self, state: &State) {
        self.insert_contacts(&state.nodes);
        self.dht.import_values(self.clock.now(), &state.records);
    }

    /// Makes contact with those of these addresses that there is a socket for.
    pub(crate) fn bootstrap(&mut self, addresses: &[SocketAddr]) {
        let reachable = addresses.iter().filter(|addr| self.sockets.serves(addr));
        let reachable: Vec<_> = reachable.copied().collect();
        if !reachable.is_empty() {
            self.dht.bootstrap(self.clock.now(), &reachable);
        }
    }

    /// Takes in those of these contacts that there is a socket for.
    fn insert_contacts(&mut self, contacts: &[Contact]) {
        let reachable = contacts
            .iter()
            .filter(|contact| self.sockets.serves(&contact.addr));
        let reachable: Vec<_> = reachable.copied().collect();
        self.dht.insert_contacts(self.clock.now(), &reachable);
    }

    /// Does all that is to be done now; returns when to look again.
    async fn drain(&mut self) -> Timestamp {
        loop {
            match self.dht.poll_output() {
                SecureOutput::Transmit(transmit) => self.sockets.send(transmit).await,
                SecureOutput::Job(job) => self.pool.submit(job.lane(), job),
                SecureOutput::Event(SecureEvent::StatusChanged { family, status }) => {
                    debug!(?family, ?status, "status changed");
                    self.channels
                        .status
                        .send_modify(|both| both.set(family, status));
                }
                SecureOutput::Event(SecureEvent::CertificateDisplaced { key }) => warn!(
                    %key,
                    "another certificate of our key stood in place of ours, which is put back"
                ),
                SecureOutput::Event(event) => self.pending.on_event(event),
                SecureOutput::Wake(at, _) => {
                    self.sockets.flush().await;
                    let unreachable = self.sockets.take_unreachable();
                    if unreachable.is_empty() {
                        return at;
                    }
                    for to in unreachable {
                        self.dht.handle_unreachable(self.clock.now(), to);
                    }
                }
            }
        }
    }

    /// Tells the DHT if the system slept or its calendar was set: what is due is done at once, and
    /// the network may be another.
    fn check_clock(&mut self) {
        let Some(change) = self.clock.check() else {
            return;
        };
        let now = self.clock.now();
        info!(slept = ?change.slept, set_by = ?change.set_by, "the system's clocks have changed");
        if change.set_by.is_some() {
            self.dht.set_calendar(now, self.clock.origin());
        }
        self.dht.handle_timeout(now);
        if change.is_long() {
            self.sockets.network_changed();
            self.dht.connectivity_changed(now);
        }
    }

    /// Waits for something to happen, and tells the DHT. Of what is ready at the same time, one is
    /// picked at random.
    async fn turn(&mut self, wake: Timestamp) {
        // To wake up early does no harm, and deadlines move on with every reply.
        let wake = wake.min(self.clock.now() + CLOCK_CHECK);
        let wake = self.clock.instant(wake);
        if wake < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(wake);
        }
        tokio::select! {
            command = self.channels.commands.recv() => self.handle_commands(command),
            Some(op) = self.channels.cancels.recv() => self.handle_command(Command::Cancel { op }),
            () = self.pool.finished() => {}
            () = self.sockets.readable() => self.receive(),
            () = &mut self.timer => self.dht.handle_timeout(self.clock.now()),
            () = save_is_due(self.saver.as_mut()) => self.save(),
            () = timeout_ends(&mut self.stage) => {}
        }
        self.finish_jobs();
    }

    /// Handles a command, and more of them that are there; without one, all handles are gone.
    fn handle_commands(&mut self, first: Option<Command>) {
        let Some(first) = first else {
            self.stage = Stage::Abandoned;
            return;
        };
        self.handle_command(first);
        for _ in 1..BUDGET {
            match self.channels.commands.try_recv() {
                Ok(command) => self.handle_command(command),
                Err(_) => return,
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        debug!(?command, "command");
        let now = self.clock.now();
        match command {
            Command::Cancel { op } => {
                self.pending.remove(op);
                self.dht.cancel(now, op);
            }
            Command::Shutdown { timeout, reply } => self.stop(timeout, reply),
            // Its reply slot is dropped with it, which tells the caller that the node is closed.
            command if !matches!(self.stage, Stage::Running) => drop(command),
            Command::Get(request) => {
                let started = self.dht.get(now, request.key, request.options);
                self.report_to(request.changes, started);
            }
            Command::Listen(request) => {
                let started = self.dht.listen(now, request.key, request.options);
                self.report_to(request.changes, started);
            }
            Command::Query { key, query, reply } => {
                let started = self.dht.query(now, key, query);
                self.reply_to(reply, started, |reply| ReplySlot::Rows(Vec::new(), reply));
            }
            Command::Put {
                key,
                value,
                options,
                reply,
            } => match start_put(&mut self.dht, now, key, value, options) {
                Ok((op, id)) => self.pending.add(op, ReplySlot::Put { key, id, reply }),
                Err(error) => answer(reply, Err(error)),
            },
            Command::CancelPut { key, id, reply } => {
                self.pending.cancel_puts((key, id));
                answer(reply, self.dht.cancel_put(now, key, id));
            }
            Command::FindCertificate { name, reply } => {
                let started = self.dht.find_certificate(now, name);
                self.reply_to(reply, started, ReplySlot::Certificate);
            }
            Command::FindPublicKey { name, reply } => {
                let started = self.dht.find_public_key(now, name);
                self.reply_to(reply, started, ReplySlot::PublicKey);
            }
            Command::RegisterCertificate { certificate, reply } => {
                self.dht.register_certificate(&certificate);
                answer(reply, ());
            }
            Command::Info { reply } => answer(reply, self.info()),
            Command::ListContacts { reply } => answer(reply, self.dht.node().list_contacts(now)),
            Command::ListStored { reply } => answer(reply, self.dht.node().list_stored(now)),
            Command::ListLookups { key, reply } => answer(reply, self.dht.node().list_lookups(key)),
            Command::Bootstrap { peer, reply } => self.bootstrap.add(peer, reply),
            Command::BootstrapAddrs { addresses, reply } => {
                self.bootstrap(&addresses);
                answer(reply, ());
            }
            Command::InsertContacts { contacts, reply } => {
                self.insert_contacts(&contacts);
                answer(reply, ());
            }
            Command::ExportContacts { reply } => {
                answer(reply, self.dht.node().export_contacts(now));
            }
            Command::ExportValues { reply } => answer(reply, self.dht.node().export_values()),
            Command::ImportValues { records, reply } => {
                answer(reply, self.dht.import_values(now, &records));
            }
            Command::ConnectivityChanged { reply } => {
                self.sockets.network_changed();
                self.dht.connectivity_changed(now);
                answer(reply, ());
            }
        }
    }

    /// Has a get or listen write its changes there, or ends it if the reader is gone already.
    fn report_to(&mut self, changes: ChangeWriter, started: Result<OpId, OpError>) {
        match started {
            Ok(op) if changes.begin(op) => self.pending.add(op, ReplySlot::Changes(changes)),
            Ok(op) => self.dht.cancel(self.clock.now(), op),
            Err(error) => changes.end(Err(error.into())),
        }
    }

    /// Has the result of an operation sent there.
    fn reply_to<T>(
        &mut self,
        reply: Sender<Result<T, GetError>>,
        started: Result<OpId, OpError>,
        slot: impl FnOnce(Sender<Result<T, GetError>>) -> ReplySlot,
    ) {
        match started {
            Ok(op) => self.pending.add(op, slot(reply)),
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    fn info(&self) -> NodeInfo {
        let node = self.dht.node();
        NodeInfo {
            id: node.id(),
            identity: self.dht.identity().map(Identity::long_id),
            addresses: self.sockets.addresses(),
            public_addresses: node.public_addresses(),
            stats: node.stats(self.clock.now()),
            secure: self.dht.stats(),
            socket_errors: self.sockets.errors(),
        }
    }

    /// Lets the node end once its puts are done and what it stores is handed over, or after the
    /// time-out of the first caller.
    fn stop(&mut self, timeout: Duration, reply: Sender<Result<(), StateError>>) {
        match &mut self.stage {
            Stage::Stopping { replies, .. } => replies.push(reply),
            Stage::Running | Stage::Abandoned => {
                let now = self.clock.now();
                self.dht.leave(now, now + timeout.min(LEAVE_TIMEOUT));
                let end = self.clock.instant(now + timeout);
                self.stage = Stage::Stopping {
                    timeout: Box::pin(sleep_until(end)),
                    replies: vec![reply],
                };
            }
        }
    }

    /// Hands in finished jobs.
    fn finish_jobs(&mut self) {
        for done in self.pool.take_outcomes(BUDGET) {
            self.dht.handle_done(self.clock.now(), done);
        }
    }

    fn receive(&mut self) {
        let now = self.clock.now();
        let Self { sockets, dht, .. } = self;
        sockets.receive(|from, bytes| dht.handle_datagram(now, from, bytes));
    }

    fn save(&mut self) {
        let state = self.snapshot();
        if let Some(saver) = &mut self.saver {
            saver.save(state);
        }
    }

    fn snapshot(&self) -> State {
        let node = self.dht.node();
        State {
            id: node.id(),
            nodes: node.export_contacts(self.clock.now()),
            records: node.export_values(),
        }
    }

    fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Running => false,
            Stage::Stopping { timeout, .. } => {
                let is_done = !self.pending.has_puts() && self.dht.node().has_left();
                is_done || timeout.is_elapsed()
            }
            Stage::Abandoned => true,
        }
    }

    /// Saves the state, drops all that the node has, and replies to the callers of the end.
    async fn close(mut self: Box<Self>) {
        let state = self.snapshot();
        let saved = match self.saver.take() {
            Some(saver) => saver.save_last(state).await,
            None => Ok(()),
        };
        if let Err(error) = &saved {
            warn!(%error, "state not saved");
        }
        let Self {
            dht,
            pending,
            sockets,
            pool,
            channels,
            stage,
            ..
        } = *self;
        drop((sockets, channels, pending, pool));
        info!(id = %dht.node().id(), "node stopped");
        if let Stage::Stopping { replies, .. } = stage {
            // The first gets the result; the others learn of the end as their slots are dropped.
            if let Some(first) = replies.into_iter().next() {
                answer(first, saved);
            }
        }
    }
}

/// Starts a put of what this value becomes.
fn start_put(
    dht: &mut SecureDht,
    now: Timestamp,
    key: InfoHash,
    value: PutValue,
    options: SignOptions,
) -> Result<(OpId, ValueId), PutError> {
    Ok(match value {
        PutValue::Clear(_) | PutValue::Packed(_) if options.scope != Scope::Anywhere => {
            return Err(PutError::NotSigned);
        }
        PutValue::Clear(draft) => dht.put(now, key, draft, options.put)?,
        PutValue::Signed(draft) => dht.put_signed(now, key, draft, options)?,
        PutValue::Encrypted(to, draft) => {
            dht.put_encrypted_to_many(now, key, to, draft, options)?
        }
        PutValue::Packed(value) => {
            let id = value.id();
            (dht.put_value(now, key, value, options.put)?, id)
        }
    })
}

/// Replies to a caller. One that is gone needs no reply.
fn answer<T>(reply: Sender<T>, result: T) {
    let _ = reply.send(result);
}

async fn save_is_due(saver: Option<&mut Saver>) {
    match saver {
        Some(saver) => saver.is_due().await,
        None => pending().await,
    }
}

async fn timeout_ends(stage: &mut Stage) {
    match stage {
        Stage::Stopping { timeout, .. } => timeout.await,
        Stage::Running | Stage::Abandoned => pending().await,
    }
}
