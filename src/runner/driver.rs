//! [`Driver`]: the loop that feeds the DHT and does what it says. It decides nothing.

use std::collections::BTreeSet;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::coop;
use tokio::time::{Sleep, sleep_until};
use tracing::{debug, info, warn};

use super::clock::Clock;
use super::pending::Waiting;
use super::pool::Pool;
use super::state::{Saver, StateError, StateFile};
use crate::client::Connectivity;
use crate::net::HostPort;
use crate::net::{SocketErrors, Sockets};
use crate::node::OpId;
use crate::secure::{Done, Job, SecureDht, SecureEvent, SecureOutput};
use crate::wire::snapshot::State;
use crate::{Contact, Timestamp};

/// Commands or finished jobs taken in one turn before outputs are seen to and others get their turn.
const BUDGET: usize = 64;

/// What a handle wants.
pub(crate) enum Command {
    /// Something done at once, with a way of its own to give an answer.
    Do(Box<dyn FnOnce(&mut Driver) + Send>),
    /// The end: not before running puts are done, but within this time.
    Stop(Duration, oneshot::Sender<Result<(), StateError>>),
}

/// The lines to the rest of the program.
pub(crate) struct Lines {
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Operations that nobody waits for any more; one entry for each operation at most.
    pub(crate) cancels: mpsc::UnboundedReceiver<OpId>,
    /// Tells all handles.
    pub(crate) status: watch::Sender<Connectivity>,
}

/// Everything that belongs to a running node.
pub(crate) struct Driver {
    pub(crate) dht: SecureDht,
    pub(crate) waiting: Waiting,
    /// Bootstrap peers that were given by name.
    pub(crate) names: BTreeSet<HostPort>,
    clock: Clock,
    sockets: Sockets,
    pool: Pool<Job, Done>,
    lines: Lines,
    alarm: Pin<Box<Sleep>>,
    saver: Option<Saver>,
    stage: Stage,
}

/// How far the node's life has gone.
enum Stage {
    Running,
    /// Waits for running puts, with time; then tells those who asked for the end.
    Stopping {
        timeout: Pin<Box<Sleep>>,
        askers: Vec<oneshot::Sender<Result<(), StateError>>>,
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
        lines: Lines,
        state: Option<StateFile>,
    ) -> Self {
        Self {
            dht,
            waiting: Waiting::default(),
            names: BTreeSet::new(),
            alarm: Box::pin(sleep_until(clock.instant(Timestamp::ZERO))),
            saver: state.map(|file| Saver::new(file, clock.instant(clock.now()))),
            clock,
            sockets,
            pool,
            lines,
            stage: Stage::Running,
        }
    }

    /// Runs the node until it is stopped or its last handle is gone.
    pub(crate) async fn run(mut self: Box<Self>) {
        info!(id = %self.dht.node().id(), addresses = ?self.sockets.addresses(), "node started");
        loop {
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
        self.dht.import_values(self.now(), &state.records);
    }

    /// Makes contact with those of these addresses that there is a socket for.
    pub(crate) fn bootstrap(&mut self, addresses: &[SocketAddr]) {
        let reachable = addresses.iter().filter(|addr| self.sockets.serve(addr));
        let reachable: Vec<_> = reachable.copied().collect();
        if !reachable.is_empty() {
            self.dht.bootstrap(self.clock.now(), &reachable);
        }
    }

    /// Takes in those of these contacts that there is a socket for.
    pub(crate) fn insert_contacts(&mut self, contacts: &[Contact]) {
        let reachable = contacts
            .iter()
            .filter(|contact| self.sockets.serve(&contact.addr));
        let reachable: Vec<_> = reachable.copied().collect();
        self.dht.insert_contacts(self.clock.now(), &reachable);
    }

    /// The time on the node's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What has gone wrong on the sockets.
    pub(crate) fn socket_errors(&self) -> SocketErrors {
        self.sockets.errors()
    }

    /// Does all that is to be done now; returns when to look again.
    async fn drain(&mut self) -> Timestamp {
        loop {
            match self.dht.poll_output() {
                SecureOutput::Transmit(transmit) => self.sockets.send(transmit).await,
                SecureOutput::Job(job) => self.pool.submit(job.lane(), job),
                SecureOutput::Event(SecureEvent::StatusChanged { family, status }) => {
                    debug!(?family, ?status, "status changed");
                    self.lines
                        .status
                        .send_modify(|both| both.set(family, status));
                }
                SecureOutput::Event(event) => self.waiting.tell(event),
                SecureOutput::Wake(at, _) => {
                    self.sockets.flush().await;
                    return at;
                }
            }
        }
    }

    /// Waits for something to happen, and tells the DHT. Whatever is ready at the same time gets its turn by lot.
    async fn turn(&mut self, wake: Timestamp) {
        // An alarm that goes off early does no harm, and deadlines move on with every answer.
        let wake = self.clock.instant(wake);
        if wake < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(wake);
        }
        tokio::select! {
            command = self.lines.commands.recv() => self.obey(command),
            Some(op) = self.lines.cancels.recv() => self.cancel(op),
            () = self.pool.finished() => {}
            () = self.sockets.readable() => self.receive(),
            () = &mut self.alarm => self.dht.handle_timeout(self.clock.now()),
            () = save_is_due(self.saver.as_mut()) => self.save(),
            () = timeout_ends(&mut self.stage) => {}
        }
        self.finish();
    }

    /// Obeys a command, and more of them that are there; without one, all handles are gone.
    fn obey(&mut self, first: Option<Command>) {
        let mut next = first;
        for _ in 1..BUDGET {
            self.obey_one(next);
            match self.lines.commands.try_recv() {
                Ok(command) => next = Some(command),
                Err(_) => return,
            }
        }
        self.obey_one(next);
    }

    fn obey_one(&mut self, command: Option<Command>) {
        match (command, &mut self.stage) {
            (Some(Command::Do(work)), Stage::Running) => work(self),
            // Dropped undone: whoever waits for it learns that the node is closed.
            (Some(Command::Do(_)), Stage::Stopping { .. } | Stage::Abandoned) => {}
            (Some(Command::Stop(_, asker)), Stage::Stopping { askers, .. }) => {
                askers.push(asker);
            }
            (Some(Command::Stop(timeout, asker)), Stage::Running | Stage::Abandoned) => {
                self.stage = Stage::Stopping {
                    timeout: Box::pin(sleep_until(self.clock.instant(self.now() + timeout))),
                    askers: vec![asker],
                };
            }
            (None, _) => self.stage = Stage::Abandoned,
        }
    }

    fn cancel(&mut self, op: OpId) {
        self.waiting.remove(op);
        self.dht.cancel(self.clock.now(), op);
    }

    /// Hands in finished jobs.
    fn finish(&mut self) {
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
            nodes: node.export_contacts(self.now()),
            records: node.export_values(),
        }
    }

    fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Running => false,
            Stage::Stopping { timeout, .. } => !self.waiting.has_puts() || timeout.is_elapsed(),
            Stage::Abandoned => true,
        }
    }

    /// Saves the state, lets go of all the node has, and tells those who asked for it.
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
            waiting,
            sockets,
            pool,
            lines,
            stage,
            ..
        } = *self;
        drop((sockets, lines, waiting, pool));
        info!(id = %dht.node().id(), "node stopped");
        if let Stage::Stopping { askers, .. } = stage {
            // The first is told the result; the others learn of the end as their senders are dropped.
            let mut askers = askers.into_iter();
            if let Some(first) = askers.next() {
                let _ = first.send(saved);
            }
        }
    }
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
