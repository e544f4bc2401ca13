//! [`SecureDht`]: a [`Node`] that signs, encrypts and verifies.
//!
//! It has the shape of the node it wraps: what happens is told to it (`handle_*`, and the
//! operations), what is to be done is taken from [`SecureDht::poll_output`] until it yields
//! [`SecureOutput::Wake`]. It does no cryptography itself: that comes out as a [`Job`], which can
//! be run anywhere, and goes back in as a [`Done`].
//!
//! ```text
//!   Node ─ values ─▶ inspect ─▶ verdict known? ─▶ Job: verify, decrypt ─▶ verdict ─▶ application
//!   Node ─ check ──▶ admission ▶ verdict known? ─▶ Job: verify ─────────▶ verdict ─▶ Node stores
//!   application ── put_signed ────▶ probe ───────────▶ Job: sign ───────────────▶ Node::put
//!   application ── put_encrypted ─▶ certificate ─────▶ Job: sign and encrypt ───▶ Node::put
//! ```
//!
//! - Only [`Checked`] values come out. What fails its check is dropped and counted.
//! - Values of an operation come out in the order in which they were found, and its end after all
//!   of them, in whatever order jobs are done.
//! - A certificate found under an id is that key's; whether it is trusted beyond that is for the
//!   application to say.
//! - Everything that strangers can fill is bounded by [`SecureConfig`].

mod admission;
pub(crate) mod binding;
mod checked;
mod checks;
mod delivery;
mod encrypted_puts;
mod error;
mod event;
mod job;
mod key_cache;
mod options;
mod own_certificate;
mod pending;
mod recipients;
mod searches;
mod signed_puts;
mod signing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bulla_identity::{Certificate, Identity, SignError};

pub use admission::Lane;
pub use binding::Binding;
pub use checked::{Checked, Protection};
pub use encrypted_puts::Recipient;
pub use error::PutError;
pub use event::{SecureEvent, SecureOutput};
pub use job::{Done, Job};
pub use key_cache::{CertificateSource, KeyName};
pub use options::{Expiry, GetOptions, Scope, SecureConfig, SignOptions};

use crate::lookup::OpId;
use crate::node::{Event, Node, OpError, Output, PutOptions, Status, Timer};
use crate::value::{Draft, Query, Value, ValueAddress, ValueId};
use crate::wire::snapshot::Record;
use crate::{Contact, InfoHash, Rng, Seed, Timestamp, wire};
use admission::Ticket;
use binding::bind;
use checks::{CheckAction, Checks};
use delivery::{Change, Delivered, Filter};
use encrypted_puts::{EncryptAction, EncryptedPut, EncryptedPuts, check_recipients};
use job::{Outcome, Task};
use key_cache::KeyCache;
use pending::{InternalOp, Preparation};
use searches::{SearchAction, Searches};
use signed_puts::{SignAction, SignedPut, SignedPuts, is_owned_by};
use verdicts::{Digest, Verdict};

/// Outputs that the queue keeps memory for when it is empty.
const KEPT_OUTPUTS: usize = 16;

/// A DHT node with an identity, without a socket, a clock or a thread.
///
/// ```
/// use bulla_dht::node::{Node, PutOptions};
/// use bulla_dht::secure::{PutError, SecureConfig, SecureDht, SecureOutput};
/// use bulla_dht::{Config, InfoHash, Origin, Seed, Timestamp};
///
/// let now = Timestamp::ZERO;
/// let node = Node::new(Config::default(), Seed::from_number(1), Origin::default())?;
/// let mut dht = SecureDht::new(node, None, Seed::from_number(2), SecureConfig::default());
///
/// let key = InfoHash::of(b"greeting");
/// dht.put(now, key, "hello", PutOptions::default())?;
/// let refusal = dht.put_signed(now, key, "hello", PutOptions::default());
/// assert_eq!(refusal, Err(PutError::NoIdentity));
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
    node: Node,
    identity: Option<Identity>,
    config: SecureConfig,
    rng: Rng,
    checks: Checks,
    searches: Searches,
    signed_puts: SignedPuts,
    encrypted_puts: EncryptedPuts,
    /// Operations of the application in which the node has no part yet.
    preparing: BTreeMap<OpId, Preparation>,
    /// Operations of the node that the application does not know of.
    internal_ops: BTreeMap<OpId, InternalOp>,
    is_published: bool,
    outputs: VecDeque<SecureOutput>,
    wake: (Timestamp, Timer),
}

/// What the secure layer counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SecureStats {
    /// Bytes of values that wait for their verdict before the application gets them.
    pub waiting_bytes: usize,
    /// Values of strangers whose proofs are being checked.
    pub checks: usize,
    /// Puts being signed or encrypted, and searches for certificates.
    pub preparations: usize,
    /// Values of gets and listens that did not pass the checks, since the start.
    pub dropped_values: u64,
    /// Values of strangers that were not checked because too many were, since the start.
    pub dropped_checks: u64,
}

impl SecureDht {
    /// Wraps a node. Without an identity values cannot be signed, encrypted or decrypted. The seed
    /// makes value ids.
    pub fn new(node: Node, identity: Option<Identity>, seed: Seed, config: SecureConfig) -> Self {
        let own = identity
            .as_ref()
            .map(|identity| identity.certificate().clone());
        let mut dht = Self {
            node,
            identity,
            rng: seed.public(),
            checks: Checks::new(&config),
            searches: Searches::new(KeyCache::new(own, config.max_keys), config.max_candidates),
            signed_puts: SignedPuts::default(),
            encrypted_puts: EncryptedPuts::default(),
            preparing: BTreeMap::new(),
            internal_ops: BTreeMap::new(),
            is_published: false,
            outputs: VecDeque::new(),
            wake: (Timestamp::MAX, Timer::Never),
            config,
        };
        dht.advance(Timestamp::ZERO);
        dht
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        self.node.handle_datagram(now, from, datagram);
        self.advance(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.node.handle_timeout(now);
        self.advance(now);
    }

    /// A job has been done.
    pub fn handle_done(&mut self, now: Timestamp, done: Done) {
        self.checks.release(done.ticket);
        match done.outcome {
            Outcome::Judged { digest, verdict } => self.on_verdict(now, digest, &verdict),
            Outcome::Proved { check, holds } => self.node.handle_verdict(now, check, holds),
            Outcome::Read { name, certificate } => {
                let action = self.searches.on_read(name, certificate);
                self.find(now, action);
            }
            Outcome::Made { op, value } => match self.preparing.get(&op) {
                Some(&Preparation::Signed { address }) => {
                    let action = self.signed_puts.on_signed(address, op, value);
                    self.sign(now, action);
                    let next = self.signed_puts.next(address, self.announced_seq(address));
                    self.sign(now, next);
                }
                Some(Preparation::Encrypted { .. }) => {
                    let action = self.encrypted_puts.on_encrypted(op, value);
                    if let Err(error) = self.encrypt(now, op, action) {
                        self.fail(op, error.into());
                    }
                }
                // It was cancelled meanwhile.
                Some(_) | None => {}
            },
        }
        self.advance(now);
    }

    /// What is to be done next; [`SecureOutput::Wake`] is the last.
    pub fn poll_output(&mut self) -> SecureOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if self.outputs.capacity() > KEPT_OUTPUTS {
            self.outputs = VecDeque::new();
        }
        let (at, timer) = self.wake;
        SecureOutput::Wake(at, timer)
    }

    /// As [`Node::bootstrap`].
    pub fn bootstrap(&mut self, now: Timestamp, addresses: &[SocketAddr]) {
        self.node.bootstrap(now, addresses);
        self.advance(now);
    }

    /// As [`Node::insert_contacts`].
    pub fn insert_contacts(&mut self, now: Timestamp, contacts: &[Contact]) {
        self.restore_contacts(now, contacts, now);
    }

    /// As [`insert_contacts`](Self::insert_contacts), but nobody is pinged before `call`.
    #[doc(hidden)]
    pub fn restore_contacts(&mut self, now: Timestamp, contacts: &[Contact], call: Timestamp) {
        self.node.restore_contacts(now, contacts, call);
        self.advance(now);
    }

    /// As [`Node::import_values`].
    pub fn import_values(&mut self, now: Timestamp, records: &[Record]) -> usize {
        let imported = self.node.import_values(now, records);
        self.advance(now);
        imported
    }

    /// As [`Node::connectivity_changed`].
    pub fn connectivity_changed(&mut self, now: Timestamp) {
        self.node.connectivity_changed(now);
        self.advance(now);
    }

    /// As [`Node::get`]: [`SecureEvent::Values`] as they come, [`SecureEvent::GetDone`] at the end.
    ///
    /// # Errors
    ///
    /// [`OpError`] if the key is zero or too much is under way.
    pub fn get(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        options: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, filter) = Filter::new(key, options.into(), self.config.clock_tolerance);
        let op = self.node.get(now, key, query)?;
        self.checks.open(op, Some(filter));
        self.advance(now);
        Ok(op)
    }

    /// As [`Node::listen`]: [`SecureEvent::Values`] and [`SecureEvent::Expired`] until cancelled.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::get`].
    pub fn listen(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        options: impl Into<GetOptions>,
    ) -> Result<OpId, OpError> {
        let (query, filter) = Filter::new(key, options.into(), self.config.clock_tolerance);
        let op = self.node.listen(now, key, query)?;
        self.checks.open(op, Some(filter));
        self.advance(now);
        Ok(op)
    }

    /// As [`Node::query`]: [`SecureEvent::Rows`] as they come, [`SecureEvent::GetDone`] at the end.
    /// Nobody vouches for what rows say.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::get`].
    pub fn query(&mut self, now: Timestamp, key: InfoHash, query: Query) -> Result<OpId, OpError> {
        let op = self.node.query(now, key, query)?;
        self.advance(now);
        Ok(op)
    }

    /// Puts a value as it is: readable by all, vouched for by nobody. Without an id it gets a
    /// random one.
    ///
    /// # Errors
    ///
    /// [`PutError::Refused`] if the node does not take it, [`PutError::TooLarge`].
    pub fn put(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: impl Into<Draft>,
        options: PutOptions,
    ) -> Result<(OpId, ValueId), PutError> {
        let draft = draft.into();
        let id = self.choose_id(&draft);
        let op = self.put_value(now, key, wire::pack(&draft, id), options)?;
        Ok((op, id))
    }

    /// Signs a value and puts it. If it has an id, the nodes are asked first for what they hold of
    /// ours under it, so that the new edition replaces the old; without one it gets a random id.
    ///
    /// Ends with [`SecureEvent::PutDone`] or [`SecureEvent::PutFailed`]. Puts of one id under one
    /// key are done in the order of the calls.
    ///
    /// # Errors
    ///
    /// [`PutError::NoIdentity`], [`PutError::Sign`] if the identity is not one of RSA,
    /// [`PutError::ReservedUserType`], or [`PutError::Refused`] if the node would not take it.
    pub fn put_signed(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        let (draft, options) = (draft.into(), options.into());
        let id = self.choose_id(&draft);
        let may_exist = draft.id == id;
        let address = ValueAddress { key, id };
        let draft = bind(draft, address, options.scope, self.node.calendar(now))?;
        let op = self.prepare_put(key, &draft)?;
        let probe = match self.signed_puts.probe(address, may_exist) {
            Some(query) => Some(self.probe(now, address, query)?),
            None => None,
        };
        self.preparing.insert(op, Preparation::Signed { address });
        let options = options.put;
        let put = SignedPut { op, draft, options };
        let announced = self.announced_seq(address);
        let action = self.signed_puts.begin(address, put, probe, announced);
        self.sign(now, action);
        self.advance(now);
        Ok((op, id))
    }

    /// Signs a value, encrypts it for `to`, and puts it. Storing nodes see its size, id, priority
    /// and push type, and treat it as user data.
    ///
    /// It is stored for ten minutes, and cannot be edited: another value needs another id. Ends
    /// with [`SecureEvent::PutDone`] or [`SecureEvent::PutFailed`].
    ///
    /// # Errors
    ///
    /// [`PutError::NoIdentity`], [`PutError::Sign`] or [`PutError::Encrypt`] if the identity or the
    /// recipient has a key of another kind than it takes, [`PutError::ReservedUserType`], or
    /// [`PutError::Refused`] if the node would not take it.
    pub fn put_encrypted(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl Into<Recipient>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        self.put_encrypted_to_many(now, key, [to], draft, options)
    }

    /// As [`SecureDht::put_encrypted`], one value for up to [`MAX_RECIPIENTS`] recipients. Each
    /// sees the ids of all; storing nodes see how many there are, and can tell with a public key
    /// whether its holder may be one.
    ///
    /// For one recipient it is an ordinary encrypted value. One for several is read by bulla alone:
    /// what users of OpenDHT are to read is put once for each of them. Recipients' keys are
    /// searched for one after the other; if one is not found, the put fails.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::put_encrypted`], and [`PutError::Recipients`].
    ///
    /// [`MAX_RECIPIENTS`]: bulla_identity::MAX_RECIPIENTS
    pub fn put_encrypted_to_many(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        to: impl IntoIterator<Item = impl Into<Recipient>>,
        draft: impl Into<Draft>,
        options: impl Into<SignOptions>,
    ) -> Result<(OpId, ValueId), PutError> {
        let (draft, options) = (draft.into(), options.into());
        let recipients: Vec<_> = to.into_iter().map(Into::into).collect();
        check_recipients(&recipients)?;
        let id = self.choose_id(&draft);
        let address = ValueAddress { key, id };
        let draft = bind(draft, address, options.scope, self.node.calendar(now))?;
        let op = self.prepare_put(key, &draft)?;
        let put = EncryptedPut::new(address, draft, options.put, recipients);
        self.preparing
            .insert(op, Preparation::Encrypted { address });
        let action = self.encrypted_puts.begin(op, put, self.searches.keys());
        self.encrypt(now, op, action)?;
        self.advance(now);
        Ok((op, id))
    }

    /// Puts a value that is packed already, by whomever.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::put`].
    pub fn put_value(
        &mut self,
        now: Timestamp,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) -> Result<OpId, PutError> {
        let op = self.node.put(now, key, fitting(value)?, options)?;
        self.advance(now);
        Ok(op)
    }

    /// Finds a certificate: the own one, one at hand, one of the application's, or one in the DHT.
    /// [`SecureEvent::Certificate`] tells the result.
    ///
    /// That its key has this name is certain; its signature and dates are not looked at.
    ///
    /// # Errors
    ///
    /// [`OpError::TooManyOperations`] if too much is under way, [`OpError::ZeroKey`] for an id of
    /// zeros.
    pub fn find_certificate(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let name = name.into();
        let op = self.reserve()?;
        if let Some(certificate) = self.searches.keys().certificate(name) {
            let certificate = Some(certificate);
            self.tell(SecureEvent::Certificate { op, certificate });
        } else {
            self.search(now, name, op)?;
            self.preparing.insert(op, Preparation::Certificate { name });
        }
        self.advance(now);
        Ok(op)
    }

    /// Finds a public key, as [`SecureDht::find_certificate`] does a certificate. Keys of the
    /// senders of encrypted values are at hand without one. [`SecureEvent::PublicKey`] tells the
    /// result.
    ///
    /// # Errors
    ///
    /// As [`SecureDht::find_certificate`].
    pub fn find_public_key(
        &mut self,
        now: Timestamp,
        name: impl Into<KeyName>,
    ) -> Result<OpId, OpError> {
        let name = name.into();
        let op = self.reserve()?;
        if let Some(key) = self.searches.keys().public_key(name) {
            self.tell(SecureEvent::PublicKey { op, key: Some(key) });
        } else {
            self.search(now, name, op)?;
            self.preparing.insert(op, Preparation::PublicKey { name });
        }
        self.advance(now);
        Ok(op)
    }

    /// Ends an operation; nothing more comes for it. A put is not announced any more, its copies
    /// stay until they expire.
    pub fn cancel(&mut self, now: Timestamp, op: OpId) {
        match self.preparing.remove(&op) {
            Some(Preparation::Signed { address }) => {
                let announced = self.announced_seq(address);
                let action = self.signed_puts.cancel(address, op, announced);
                self.sign(now, action);
            }
            Some(Preparation::Encrypted { .. }) => {
                if let Some(name) = self.encrypted_puts.cancel(op) {
                    let action = self.searches.leave(name, op);
                    self.find(now, action);
                }
            }
            Some(Preparation::Certificate { name } | Preparation::PublicKey { name }) => {
                let action = self.searches.leave(name, op);
                self.find(now, action);
            }
            None => {
                self.checks.close(op);
                self.node.cancel(now, op);
            }
        }
        self.advance(now);
    }

    /// As [`Node::cancel_put`]. Puts of this key and id that are being prepared fail with
    /// [`PutError::Cancelled`].
    pub fn cancel_put(&mut self, now: Timestamp, key: InfoHash, id: ValueId) -> bool {
        let address = ValueAddress { key, id };
        let prepared: Vec<_> = self
            .preparing
            .iter()
            .filter(|(_, preparation)| preparation.address() == Some(address))
            .map(|(op, _)| *op)
            .collect();
        for op in &prepared {
            self.cancel(now, *op);
            self.fail(*op, PutError::Cancelled);
        }
        let was_announced = self.node.cancel_put(now, key, id);
        self.advance(now);
        was_announced || !prepared.is_empty()
    }

    /// Remembers a certificate, so that it need not be searched for.
    pub fn register_certificate(&mut self, certificate: &Certificate) {
        self.searches.keys().remember(certificate);
    }

    /// Sets where to ask for a certificate before the DHT is searched.
    pub fn set_certificate_source(&mut self, source: CertificateSource) {
        self.searches.keys().set_source(source);
    }

    /// Who signs and decrypts.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The node, to look at.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The figures of this moment.
    pub fn stats(&self) -> SecureStats {
        SecureStats {
            waiting_bytes: self.checks.waiting_bytes(),
            checks: self.checks.remote_checks(),
            preparations: self.preparing.len(),
            dropped_values: self.checks.dropped(),
            dropped_checks: self.checks.unchecked(),
        }
    }

    /// Takes from the node all it has to say.
    fn advance(&mut self, now: Timestamp) {
        loop {
            match self.node.poll_output() {
                Output::Transmit(transmit) => {
                    self.outputs.push_back(SecureOutput::Transmit(transmit));
                }
                Output::Event(event) => self.on_event(now, event),
                Output::Check(check) => {
                    let action = self.checks.on_check(*check);
                    self.check(now, action);
                }
                Output::Wake(at, timer) => {
                    self.wake = (at, timer);
                    return;
                }
            }
        }
    }

    fn on_event(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Values { op, values } => self.on_values(now, op, Change::Found, values),
            Event::Expired { op, values } => self.on_values(now, op, Change::Expired, values),
            Event::Rows { op, rows } => self.tell(SecureEvent::Rows { op, rows }),
            Event::GetDone { op, report } => match self.internal_ops.get(&op) {
                Some(&InternalOp::Search { name }) => {
                    self.internal_ops.remove(&op);
                    let action = self.searches.on_get_done(name, op);
                    self.find(now, action);
                }
                Some(InternalOp::Probe { .. } | InternalOp::Publication) | None => {
                    let actions = self.checks.on_end(op, report, self.node.calendar(now));
                    self.check(now, actions);
                }
            },
            Event::PutDone { op, report } => {
                if !self.internal_ops.contains_key(&op) {
                    self.tell(SecureEvent::PutDone { op, report });
                }
            }
            Event::StatusChanged { family, status } => {
                if status == Status::Connected {
                    self.publish_certificate(now);
                }
                self.tell(SecureEvent::StatusChanged { family, status });
            }
        }
    }

    fn on_values(&mut self, now: Timestamp, op: OpId, change: Change, mut values: Vec<Value>) {
        match self.internal_ops.get(&op) {
            Some(&InternalOp::Search { name }) => {
                let action = self.searches.on_candidates(name, values);
                return self.find(now, action);
            }
            // Only editions of ours are worth a verification.
            Some(InternalOp::Probe { .. }) => values.retain(|value| self.owns(value)),
            Some(InternalOp::Publication) | None => {}
        }
        let (us, today) = (self.identity.as_ref(), self.node.calendar(now));
        let actions = self.checks.on_values(op, change, values, us, today);
        self.check(now, actions);
    }

    fn on_verdict(&mut self, now: Timestamp, digest: Digest, verdict: &Verdict) {
        match verdict {
            Verdict::Opened(opened) => self.searches.keys().remember_key(&opened.sender),
            Verdict::Signed(signer) if self.config.remember_signers => {
                self.searches.keys().remember_key(signer);
            }
            Verdict::Signed(_) | Verdict::Refused => {}
        }
        let today = self.node.calendar(now);
        let actions = self.checks.on_verdict(digest, verdict, today);
        self.check(now, actions);
    }

    /// Hands out what passed the checks, to the application or to the signed put that probes.
    fn on_delivered(&mut self, now: Timestamp, op: OpId, delivered: Delivered) {
        match (self.internal_ops.get(&op), delivered) {
            (Some(&InternalOp::Probe { address }), Delivered::Values(_, editions)) => {
                for edition in editions {
                    self.signed_puts.on_edition(address, edition.seq());
                }
            }
            (Some(&InternalOp::Probe { address }), Delivered::Done { .. }) => {
                self.internal_ops.remove(&op);
                let announced = self.announced_seq(address);
                let action = self.signed_puts.on_probe_done(address, announced);
                self.sign(now, action);
            }
            (_, Delivered::Values(Change::Found, values)) => {
                self.tell(SecureEvent::Values { op, values });
            }
            (_, Delivered::Values(Change::Expired, values)) => {
                self.tell(SecureEvent::Expired { op, values });
            }
            (_, Delivered::Done { report, dropped }) => self.tell(SecureEvent::GetDone {
                op,
                report,
                dropped,
            }),
        }
    }

    /// Carries out what the checks want done.
    fn check(&mut self, now: Timestamp, actions: impl IntoIterator<Item = CheckAction>) {
        for action in actions {
            match action {
                CheckAction::Start(ticket, task) => self.start(ticket, task),
                CheckAction::Answer(check, holds) => self.node.handle_verdict(now, check, holds),
                CheckAction::Forget(check) => self.node.drop_check(check),
                CheckAction::Deliver(op, delivered) => self.on_delivered(now, op, delivered),
            }
        }
    }

    /// Looks for earlier editions of a value.
    fn probe(
        &mut self,
        now: Timestamp,
        address: ValueAddress,
        query: Query,
    ) -> Result<OpId, OpError> {
        let get = self.node.get(now, address.key, query)?;
        // Editions count wherever and until whenever they were meant: storing nodes compare
        // numbers alone.
        self.checks.open(get, None);
        self.internal_ops.insert(get, InternalOp::Probe { address });
        Ok(get)
    }

    /// Carries out what a signed put wants done.
    fn sign(&mut self, now: Timestamp, action: Option<SignAction>) {
        match action {
            Some(SignAction::Sign { op, draft, id, seq }) => {
                if let Some(identity) = &self.identity {
                    let key = identity.key().clone();
                    let sign = Task::Sign {
                        op,
                        key,
                        draft,
                        id,
                        seq,
                    };
                    self.start(Ticket::Step, sign);
                }
            }
            Some(SignAction::Announce {
                op,
                key,
                value,
                options,
            }) => self.announce(now, op, key, value, options),
            Some(SignAction::Fail { ops, error }) => {
                for op in ops {
                    self.fail(op, error);
                }
            }
            Some(SignAction::EndProbe(probe)) => {
                self.internal_ops.remove(&probe);
                self.checks.close(probe);
                self.node.cancel(now, probe);
            }
            None => {}
        }
    }

    /// Carries out what an encrypted put wants done. If its search cannot begin, the put is
    /// forgotten.
    fn encrypt(
        &mut self,
        now: Timestamp,
        op: OpId,
        action: Option<EncryptAction>,
    ) -> Result<(), OpError> {
        match action {
            Some(EncryptAction::Search(name)) => {
                self.search(now, name, op).inspect_err(|_| {
                    self.encrypted_puts.cancel(op);
                    self.preparing.remove(&op);
                })?;
            }
            Some(EncryptAction::Encrypt {
                recipients,
                draft,
                id,
            }) => {
                if let Some(identity) = &self.identity {
                    let key = identity.key().clone();
                    let encrypt = Task::Encrypt {
                        op,
                        key,
                        recipients,
                        draft,
                        id,
                    };
                    self.start(Ticket::Step, encrypt);
                }
            }
            Some(EncryptAction::Announce {
                key,
                value,
                options,
            }) => self.announce(now, op, key, value, options),
            Some(EncryptAction::Fail(error)) => self.fail(op, error),
            None => {}
        }
        Ok(())
    }

    /// Lets `op` wait for a certificate.
    fn search(&mut self, now: Timestamp, name: KeyName, op: OpId) -> Result<(), OpError> {
        let Some(keys) = self.searches.join(name, op) else {
            return Ok(());
        };
        let mut gets = BTreeSet::new();
        let mut refusal = None;
        for key in keys {
            match self.node.get(now, key, searches::query()) {
                Ok(get) => {
                    self.internal_ops.insert(get, InternalOp::Search { name });
                    gets.insert(get);
                }
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(error) if gets.is_empty() => Err(error),
            Some(_) | None => {
                self.searches.open(name, op, gets);
                Ok(())
            }
        }
    }

    /// Carries out what a search wants done.
    fn find(&mut self, now: Timestamp, action: Option<SearchAction>) {
        match action {
            Some(SearchAction::Read(name, value)) => {
                self.start(Ticket::Step, Task::ReadCertificate { name, value });
            }
            Some(SearchAction::Finish {
                gets,
                askers,
                found,
            }) => {
                for get in gets {
                    self.internal_ops.remove(&get);
                    self.node.cancel(now, get);
                }
                for op in askers {
                    self.on_found(now, op, found.as_ref());
                }
            }
            None => {}
        }
    }

    /// Tells an operation what its search found.
    fn on_found(&mut self, now: Timestamp, op: OpId, found: Option<&Certificate>) {
        match self.preparing.get(&op) {
            Some(Preparation::Certificate { .. }) => {
                self.preparing.remove(&op);
                let certificate = found.cloned();
                self.tell(SecureEvent::Certificate { op, certificate });
            }
            Some(Preparation::PublicKey { .. }) => {
                self.preparing.remove(&op);
                let key = found.and_then(Certificate::public_key).cloned();
                self.tell(SecureEvent::PublicKey { op, key });
            }
            Some(Preparation::Encrypted { .. }) => {
                let key = match found.map(Certificate::public_key) {
                    Some(Some(key)) => Ok(key.clone()),
                    Some(None) => Err(PutError::NotRsa),
                    None => Err(PutError::NoCertificate),
                };
                let action = self.encrypted_puts.on_key(op, key, self.searches.keys());
                if let Err(error) = self.encrypt(now, op, action) {
                    self.fail(op, error.into());
                }
            }
            Some(Preparation::Signed { .. }) | None => {}
        }
    }

    /// Returns the number of the edition of ours that is announced.
    fn announced_seq(&self, address: ValueAddress) -> Option<u16> {
        let value = self.node.announced(address.key, address.id)?;
        self.owns(value).then(|| value.seq())
    }

    /// Reports whether a value claims to be ours.
    fn owns(&self, value: &Value) -> bool {
        (self.identity.as_ref()).is_some_and(|identity| is_owned_by(identity, value))
    }

    /// Checks what can be checked of a put before it is prepared, and names it.
    fn prepare_put(&mut self, key: InfoHash, draft: &Draft) -> Result<OpId, PutError> {
        let identity = self.identity.as_ref().ok_or(PutError::NoIdentity)?;
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
        Ok(self.reserve()?)
    }

    /// Names an operation that has to be prepared.
    fn reserve(&mut self) -> Result<OpId, OpError> {
        if self.preparing.len() >= self.config.max_preparations {
            return Err(OpError::TooManyOperations);
        }
        Ok(self.node.reserve_op())
    }

    fn choose_id(&mut self, draft: &Draft) -> ValueId {
        match draft.id {
            ValueId(0) => ValueId(self.rng.number().max(1)),
            id => id,
        }
    }

    /// Puts what was prepared.
    fn announce(
        &mut self,
        now: Timestamp,
        op: OpId,
        key: InfoHash,
        value: Value,
        options: PutOptions,
    ) {
        self.preparing.remove(&op);
        let put =
            fitting(value).and_then(|value| Ok(self.node.put_as(now, op, key, value, options)?));
        if let Err(error) = put {
            self.fail(op, error);
        }
    }

    fn start(&mut self, ticket: Ticket, task: Task) {
        self.outputs
            .push_back(SecureOutput::Job(Job::new(ticket, task)));
    }

    fn tell(&mut self, event: SecureEvent) {
        self.outputs.push_back(SecureOutput::Event(event));
    }

    fn fail(&mut self, op: OpId, error: PutError) {
        self.preparing.remove(&op);
        self.tell(SecureEvent::PutFailed { op, error });
    }
}

/// A value that can travel.
fn fitting(value: Value) -> Result<Value, PutError> {
    match value.packed().len() {
        size if size > Value::MAX_PACKED => Err(PutError::TooLarge(size)),
        _ => Ok(value),
    }
}
