//! [`SecureDht`]: a [`Node`] that signs, encrypts and verifies.
//!
//! It has the shape of the node it wraps: what happens is told to it (`handle_*`, and the
//! operations), what is to be done is taken from [`Core::poll_output`] until it yields
//! [`SecureOutput::Wake`]. It does no cryptography itself: that comes out as a [`Job`], which can
//! be run anywhere, and goes back in as a [`Done`].
//!
//! ```text
//!   values of the node ─▶ checks ─────────▶ Job: verify or decrypt ─▶ Checked ─▶ application
//!   checks of the node ─▶ checks ─────────▶ Job: verify ────────────▶ node stores it, or not
//!   put_signed ─────────▶ signed_puts ────▶ Job: sign ──────────────▶ Node::put
//!   put_encrypted ──────▶ encrypted_puts ─▶ Job: sign and encrypt ──▶ Node::put
//!   find_certificate ───▶ searches ───────▶ Job: read ──────────────▶ application
//! ```
//!
//! - Each of these parts is told what happens and returns `SecureAction`s. This file alone tells
//!   them, and carries the actions out.
//! - Only [`Checked`] values come out. What fails its check is dropped and counted.
//! - Values of an operation come out in the order in which they were found, and its end after all
//!   of them, in whatever order jobs are done.
//! - A certificate found under an id is that key's; whether it is trusted beyond that is for the
//!   application to say.
//! - Everything that other nodes can fill is bounded by [`SecureConfig`].

mod action;
mod admission;
pub(crate) mod binding;
mod checked;
mod checks;
mod delivery;
mod encrypted_puts;
mod error;
mod event;
mod get;
mod job;
mod key_cache;
mod node;
mod options;
mod own_certificate;
mod pending;
mod put;
mod recipients;
mod searches;
mod signed_puts;
mod signing;
mod stats;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdicts;

use std::net::SocketAddr;

use bulla_identity::{Certificate, Identity, SignError};

pub use admission::Lane;
pub use binding::Binding;
pub use checked::{Checked, Protection};
pub use encrypted_puts::Recipient;
pub use error::SecurePutError;
pub use event::{SecureEvent, SecureOutput};
pub use job::{Done, Job};
pub use key_cache::{CertificateSource, KeyName};
pub use options::{Expiry, GetOptions, Scope, SecureConfig, SignOptions};
pub use stats::SecureStats;

use crate::lookup::OpId;
use crate::node::{Core, Event, Node, OpError, Output, PutOptions, Status};
use crate::value::{Draft, Value, ValueAddress, ValueId};
use crate::{InfoHash, Rng, Seed, Timestamp};
use action::SecureAction;
use binding::bind;
use checks::Checks;
use delivery::{BatchChange, Delivered};
use encrypted_puts::EncryptedPuts;
use event::Outputs;
use job::Outcome;
use key_cache::KeyCache;
use own_certificate::{OwnCertificate, displaces, publish};
use pending::{InternalOp, Pending, Preparation};
use searches::{Searches, Wanted};
use signed_puts::{SignedPuts, is_owned_by};

/// A DHT node with an identity, without a socket, a clock or a thread.
///
/// ```
/// use bulla_dht::node::{Core, Node, PutOptions};
/// use bulla_dht::secure::{SecureConfig, SecureDht, SecureOutput, SecurePutError};
/// use bulla_dht::{Config, InfoHash, Origin, Seed, Timestamp};
///
/// let now = Timestamp::ZERO;
/// let node = Node::new(Config::default(), Seed::from_number(1), Origin::default())?;
/// let mut dht = SecureDht::new(node, None, Seed::from_number(2), SecureConfig::default());
///
/// let key = InfoHash::of(b"greeting");
/// dht.put(now, key, "hello", PutOptions::default())?;
/// let refusal = dht.put_signed(now, key, "hello", PutOptions::default());
/// assert_eq!(refusal, Err(SecurePutError::NoIdentity));
///
/// loop {
///     match dht.poll_output() {
///         SecureOutput::Transmit(datagram) => { /* send it */ }
///         SecureOutput::Event(event) => println!("{event:?}"),
///         SecureOutput::Job(job) => dht.handle_done(now, job.run()),
///         SecureOutput::Wake(at, _) => break, // sleep until then, or until a datagram comes
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SecureDht {
    /// The node that stores and finds values.
    node: Node,
    /// What signs and decrypts, if the application has given it.
    identity: Option<Identity>,
    /// Makes ids for values without one.
    rng: Rng,
    /// Values on their way to a verdict.
    checks: Checks,
    /// Certificates at hand and being looked for.
    searches: Searches,
    /// Signed puts that are being prepared.
    signed_puts: SignedPuts,
    /// Encrypted puts that are being prepared.
    encrypted_puts: EncryptedPuts,
    /// Whether the own certificate is published.
    own_certificate: OwnCertificate,
    /// How often another was found in its place.
    displaced_certificates: u64,
    /// Which of these an operation belongs to.
    pending: Pending,
    /// What is to come out.
    outputs: Outputs,
}

impl Core for SecureDht {
    type Event = SecureEvent;
    type Job = Job;

    fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        self.node.handle_datagram(now, from, datagram);
        self.advance(now);
    }

    fn handle_unreachable(&mut self, now: Timestamp, to: SocketAddr) {
        self.node.handle_unreachable(now, to);
        self.advance(now);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.node.handle_timeout(now);
        self.look_at_certificate(now);
        self.advance(now);
    }

    fn poll_output(&mut self) -> SecureOutput {
        self.outputs.poll()
    }
}

impl SecureDht {
    /// Wraps a node. Without an identity values cannot be signed, encrypted or decrypted. The seed
    /// makes value ids.
    pub fn new(node: Node, identity: Option<Identity>, seed: Seed, config: SecureConfig) -> Self {
        let own = identity
            .as_ref()
            .map(|identity| identity.certificate().clone());
        let keys = KeyCache::new(own, config.max_keys);
        let mut dht = Self {
            node,
            identity,
            rng: seed.public(),
            checks: Checks::new(&config),
            searches: Searches::new(keys, config.max_candidates),
            signed_puts: SignedPuts::default(),
            encrypted_puts: EncryptedPuts::default(),
            own_certificate: OwnCertificate::new(config.publish_certificate),
            displaced_certificates: 0,
            pending: Pending::new(config.max_preparations),
            outputs: Outputs::new(),
        };
        dht.advance(Timestamp::ZERO);
        dht
    }

    /// Handles the result of a job.
    pub fn handle_done(&mut self, now: Timestamp, done: Done) {
        self.checks.release(done.ticket);
        match done.outcome {
            Outcome::Judged { digest, verdict } => {
                let unix_now = self.node.calendar(now);
                let actions = self.checks.on_verdict(digest, &verdict, unix_now);
                self.act(now, actions);
            }
            Outcome::Proved { check, holds } => self.node.handle_verdict(now, check, holds),
            Outcome::Read { name, certificate } => {
                let actions = self.searches.on_read(name, certificate);
                self.act(now, actions);
            }
            Outcome::Made { op, value } => match self.pending.preparation(op) {
                Some(Preparation::Signed(address)) => {
                    let action = self.signed_puts.on_signed(address, op, value);
                    self.act(now, action);
                    self.sign_next(now, address);
                }
                Some(Preparation::Encrypted(_)) => {
                    let action = self.encrypted_puts.on_encrypted(op, value);
                    self.act(now, action);
                }
                // It was cancelled meanwhile.
                Some(Preparation::Search(_)) | None => {}
            },
        }
        self.advance(now);
    }

    /// Ends an operation; nothing more comes for it. A put is not announced any more, its copies
    /// stay until they expire.
    pub fn cancel(&mut self, now: Timestamp, op: OpId) {
        match self.pending.end_preparation(op) {
            Some(Preparation::Signed(address)) => {
                let action = self.signed_puts.cancel(address, op);
                self.act(now, action);
                self.sign_next(now, address);
            }
            Some(Preparation::Encrypted(_)) => {
                if let Some(name) = self.encrypted_puts.cancel(op) {
                    let actions = self.searches.leave(name, op);
                    self.act(now, actions);
                }
            }
            Some(Preparation::Search(name)) => {
                let actions = self.searches.leave(name, op);
                self.act(now, actions);
            }
            None => {
                self.checks.close(op);
                self.node.cancel(now, op);
            }
        }
        self.advance(now);
    }

    /// As [`Node::cancel_put`]. Puts of this key and id that are being prepared fail with
    /// [`SecurePutError::Cancelled`].
    pub fn cancel_put(&mut self, now: Timestamp, key: InfoHash, id: ValueId) -> bool {
        let prepared = self.pending.puts_of(ValueAddress { key, id });
        for op in &prepared {
            self.cancel(now, *op);
            self.fail(*op, SecurePutError::Cancelled);
        }
        let was_announced = self.node.cancel_put(now, key, id);
        self.advance(now);
        was_announced || !prepared.is_empty()
    }

    /// Returns what signs and decrypts.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Remembers a certificate, so that it need not be searched for.
    pub fn register_certificate(&mut self, certificate: &Certificate) {
        self.searches.keys().remember(certificate);
    }

    /// Sets what to ask for a certificate before the DHT is searched.
    pub fn set_certificate_source(&mut self, source: CertificateSource) {
        self.searches.keys().set_source(source);
    }

    /// Handles all outputs of the node.
    fn advance(&mut self, now: Timestamp) {
        loop {
            match self.node.poll_output() {
                Output::Transmit(transmit) => self.outputs.push(SecureOutput::Transmit(transmit)),
                Output::Event(event) => self.on_event(now, event),
                Output::Job(check) => {
                    let action = self.checks.on_check(*check);
                    self.act(now, action);
                }
                Output::Wake(at, timer) => return self.outputs.wake(at, timer),
            }
        }
    }

    fn on_event(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Values { op, values } => self.on_values(now, op, BatchChange::Found, values),
            Event::Expired { op, values } => self.on_values(now, op, BatchChange::Expired, values),
            Event::Rows { op, rows } => self.tell(SecureEvent::Rows { op, rows }),
            Event::GetDone { op, report } => {
                let actions = match self.pending.internal(op) {
                    Some(InternalOp::Search(name)) => {
                        self.pending.end_internal(op);
                        self.searches.on_get_done(name, op)
                    }
                    Some(InternalOp::Look(_)) => {
                        self.pending.end_internal(op);
                        Vec::new()
                    }
                    Some(InternalOp::Probe(_) | InternalOp::Publication) | None => {
                        self.checks.on_end(op, report, self.node.calendar(now))
                    }
                };
                self.act(now, actions);
            }
            Event::PutDone { op, report } => {
                if self.pending.internal(op).is_none() {
                    self.tell(SecureEvent::PutDone { op, report });
                }
            }
            Event::StatusChanged { family, status } => {
                if status == Status::Connected
                    && let Some(us) = &self.identity
                {
                    let actions = self.own_certificate.on_connected(now, us);
                    self.act(now, actions);
                }
                self.tell(SecureEvent::StatusChanged { family, status });
            }
        }
    }

    fn on_values(&mut self, now: Timestamp, op: OpId, change: BatchChange, mut values: Vec<Value>) {
        let us = self.identity.as_ref();
        let actions = match self.pending.internal(op) {
            Some(InternalOp::Search(name)) => self.searches.on_candidates(name, values),
            Some(InternalOp::Look(key)) => self.on_look(op, key, &values),
            internal => {
                // Only editions of ours are worth a verification.
                if let Some(InternalOp::Probe(_)) = internal {
                    values.retain(|value| us.is_some_and(|us| is_owned_by(us, value)));
                }
                let unix_now = self.node.calendar(now);
                self.checks.on_values(op, change, values, us, unix_now)
            }
        };
        self.act(now, actions);
    }

    /// Hands out what passed the checks, to the application or to the signed put that probes.
    fn on_delivered(&mut self, now: Timestamp, op: OpId, delivered: Delivered) {
        match (self.pending.internal(op), delivered) {
            (Some(InternalOp::Probe(address)), Delivered::Values(_, editions)) => {
                for edition in editions {
                    self.signed_puts.on_edition(address, edition.seq());
                }
            }
            (Some(InternalOp::Probe(address)), Delivered::Done { .. }) => {
                self.pending.end_internal(op);
                self.signed_puts.on_probe_done(address);
                self.sign_next(now, address);
            }
            (_, Delivered::Values(BatchChange::Found, values)) => {
                self.tell(SecureEvent::Values { op, values });
            }
            (_, Delivered::Values(BatchChange::Expired, values)) => {
                self.tell(SecureEvent::Expired { op, values });
            }
            (_, Delivered::Done { report, dropped }) => self.tell(SecureEvent::GetDone {
                op,
                report,
                dropped,
            }),
        }
    }

    /// Carries out actions of the parts.
    fn act(&mut self, now: Timestamp, actions: impl IntoIterator<Item = SecureAction>) {
        for action in actions {
            match action {
                SecureAction::Start(ticket, task) => {
                    self.outputs.push(SecureOutput::Job(Job::new(ticket, task)));
                }
                SecureAction::Tell(op, event) => {
                    self.pending.end_preparation(op);
                    self.tell(event);
                }
                SecureAction::Fail(op, error) => self.fail(op, error),
                SecureAction::Announce {
                    op,
                    key,
                    value,
                    options,
                } => {
                    self.pending.end_preparation(op);
                    let put = check_size(value)
                        .and_then(|value| Ok(self.node.put_as(now, op, key, value, options)?));
                    if let Err(error) = put {
                        self.fail(op, error);
                    }
                }
                SecureAction::Publish { key, value } => {
                    match self.node.put(now, key, value, PutOptions::PERMANENT) {
                        Ok(put) => self.pending.begin_internal(put, InternalOp::Publication),
                        Err(_) => self.own_certificate.on_refused(),
                    }
                }
                SecureAction::PublishSigned { key, draft } => {
                    match self.put_signed(now, key, draft, PutOptions::PERMANENT) {
                        Ok((put, _)) => self.pending.begin_internal(put, InternalOp::Publication),
                        Err(_) => self.own_certificate.on_refused(),
                    }
                }
                SecureAction::Search(op, name) => {
                    if let Err(error) = self.search(now, name, op, Wanted::Recipient) {
                        self.forget_encrypted_put(op);
                        self.fail(op, error.into());
                    }
                }
                SecureAction::Found(op, key) => {
                    let failed = self.encrypted_puts.on_key(op, key);
                    self.act(now, failed);
                    let next = self.next_encryption(op);
                    self.act(now, next);
                }
                SecureAction::EndGet(get) => {
                    self.pending.end_internal(get);
                    self.checks.close(get);
                    self.node.cancel(now, get);
                }
                SecureAction::Deliver(op, delivered) => self.on_delivered(now, op, delivered),
                SecureAction::Remember(key) => self.searches.keys().remember_key(&key),
                SecureAction::Answer(check, holds) => self.node.handle_verdict(now, check, holds),
                SecureAction::Forget(check) => self.node.drop_check(check),
            }
        }
    }

    /// Looks whether the own certificate is where it was published, if that is due.
    fn look_at_certificate(&mut self, now: Timestamp) {
        let Some(us) = &self.identity else { return };
        for key in self.own_certificate.look(now, us) {
            if let Ok(get) = self.node.get(now, key, searches::query()) {
                self.pending.begin_internal(get, InternalOp::Look(key));
            }
        }
    }

    /// Takes what was found in a look at the own certificate. If there is another in its place, it
    /// is put back, and that is told once for each look.
    fn on_look(&mut self, get: OpId, key: InfoHash, found: &[Value]) -> Vec<SecureAction> {
        let us = self.identity.as_ref();
        let us = us.filter(|us| found.iter().any(|value| displaces(value, us)));
        let Some(us) = us else { return Vec::new() };
        self.displaced_certificates += 1;
        let actions = vec![SecureAction::EndGet(get), publish(key, us)];
        self.tell(SecureEvent::CertificateDisplaced { key });
        actions
    }

    /// Goes on with the signed puts of a value.
    fn sign_next(&mut self, now: Timestamp, address: ValueAddress) {
        if let Some(us) = &self.identity {
            let announced = self.node.announced(address.key, address.id);
            let actions = self.signed_puts.next(address, us, announced);
            self.act(now, actions);
        }
    }

    /// Returns what is next for an encrypted put.
    fn next_encryption(&mut self, op: OpId) -> Option<SecureAction> {
        let us = self.identity.as_ref()?;
        self.encrypted_puts.next(op, us, self.searches.keys())
    }

    fn forget_encrypted_put(&mut self, op: OpId) {
        self.encrypted_puts.cancel(op);
        self.pending.end_preparation(op);
    }

    /// Checks what can be checked of a value to be signed, reserves the id of its put and binds it.
    fn prepare_put(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: Draft,
        scope: Scope,
    ) -> Result<(OpId, ValueAddress, Draft), SecurePutError> {
        let id = self.choose_id(&draft);
        let address = ValueAddress { key, id };
        let draft = bind(draft, address, scope, self.node.calendar(now))?;
        let identity = self.identity.as_ref().ok_or(SecurePutError::NoIdentity)?;
        let kind = identity.public_key().kind();
        if !kind.signs_values() {
            return Err(SignError::NotForValues(kind).into());
        }
        if key.is_zero() {
            return Err(OpError::ZeroKey.into());
        }
        if draft.content_size() > Value::MAX_CONTENT {
            return Err(OpError::TooLarge(draft.content_size()).into());
        }
        Ok((self.reserve()?, address, draft))
    }

    /// Reserves the id of an operation that has to be prepared.
    fn reserve(&mut self) -> Result<OpId, OpError> {
        if self.pending.is_full() {
            return Err(OpError::TooManyOperations);
        }
        Ok(self.node.reserve_op())
    }

    /// Returns the id of a draft, or a random one if it has none.
    fn choose_id(&mut self, draft: &Draft) -> ValueId {
        match draft.id {
            ValueId(0) => ValueId(self.rng.number().max(1)),
            id => id,
        }
    }

    fn tell(&mut self, event: SecureEvent) {
        self.outputs.push(SecureOutput::Event(event));
    }

    fn fail(&mut self, op: OpId, error: SecurePutError) {
        self.pending.end_preparation(op);
        match self.pending.internal(op) {
            Some(InternalOp::Publication) => self.own_certificate.on_refused(),
            Some(InternalOp::Probe(_) | InternalOp::Search(_) | InternalOp::Look(_)) | None => {
                self.tell(SecureEvent::PutFailed { op, error });
            }
        }
    }
}

/// Refuses a value that is too large to be sent.
fn check_size(value: Value) -> Result<Value, SecurePutError> {
    match value.packed().len() {
        size if size > Value::MAX_PACKED => Err(SecurePutError::TooLarge(size)),
        _ => Ok(value),
    }
}
