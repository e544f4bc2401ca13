//! [`Oracle`]: the reference model. It knows what was really published, and so what a node must,
//! may and must not report.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bulla_dht::secure::{Checked, Protection, SecureDht};
use bulla_dht::{InfoHash, Query, Timestamp};

use super::expected_value::ExpectedValue;
use super::{HostId, Operation, OperationId, Request, Sim};

/// How much longer than its lifetime a value may be seen: copies are made and clocks start when
/// datagrams arrive.
const SLACK: Duration = Duration::from_secs(20);
/// A get or query is over by then, connected or not.
const GET_LIMIT: Duration = Duration::from_secs(30);
/// A put has been announced by then.
const PUT_LIMIT: Duration = Duration::from_secs(45);
/// The time that a permanent put may take: it takes turns with all others of its node.
const LASTING_PUT_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Idle lookups that a node remembers beside its running ones.
const REMEMBERED_LOOKUPS: usize = 258;
/// The nodes nearest to a key that ought to hold its values.
const NEAREST: usize = 8;
/// Of those, so many must hold a value before a get must find it.
const WELL_HELD: usize = 4;

/// What was published, and the rules broken so far.
#[derive(Default, Debug)]
pub(super) struct Oracle {
    published: BTreeMap<InfoHash, Vec<Published>>,
    /// Hostile hosts invent values: a clear one may have any author.
    pub(super) expects_forgeries: bool,
    /// A get may find nothing: misses are counted elsewhere.
    pub(super) excuses_misses: bool,
    pub(super) violations: Vec<Violation>,
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub host: HostId,
    /// How.
    pub what: String,
}

#[derive(Debug)]
struct Published {
    put: OperationId,
    by: HostId,
    value: ExpectedValue,
    lifetime: Duration,
    /// When the last copy may have been made; `None` while it is still being announced.
    until: Option<Timestamp>,
}

impl Oracle {
    /// A put publishes a value, for one lifetime from now or until its author stops.
    pub(super) fn on_put(
        &mut self,
        now: Timestamp,
        put: OperationId,
        operation: &Operation,
        value: &ExpectedValue,
        lifetime: Duration,
    ) {
        let published = self.published.entry(operation.key).or_default();
        published.push(Published {
            put,
            by: operation.host,
            value: value.clone(),
            lifetime,
            until: (!value.permanent).then_some(now),
        });
    }

    /// An author stops announcing: what one put published, or all that it did.
    pub(super) fn on_stop(&mut self, now: Timestamp, by: HostId, put: Option<OperationId>) {
        let all = self.published.values_mut().flatten();
        let stopped = all.filter(|one| one.by == by && put.is_none_or(|put| put == one.put));
        for one in stopped {
            one.until = one.until.or(Some(now));
        }
    }

    /// Returns what may be found under `key` now.
    pub(super) fn current(
        &self,
        now: Timestamp,
        key: &InfoHash,
    ) -> impl Iterator<Item = &ExpectedValue> {
        let published = self.published.get(key).into_iter().flatten();
        published
            .filter(move |one| one.lives(now))
            .map(|one| &one.value)
    }

    /// Checks values that an operation was told of: they must have been published, must match, and
    /// must not have expired long ago.
    pub(super) fn check_values(
        &mut self,
        now: Timestamp,
        operation: &Operation,
        values: &[Checked],
    ) {
        let any = Query::default();
        let query = match &operation.request {
            Request::Get(query) | Request::Listen(query) | Request::Query(query) => query,
            Request::Put(_) => &any,
        };
        for value in values {
            let published = self.published.get(&operation.key).into_iter().flatten();
            let mut genuine = published
                .filter(|one| one.value.matches_checked(value))
                .peekable();
            let offence = if genuine.peek().is_none() {
                let excused = self.expects_forgeries && value.protection() == Protection::Clear;
                (!excused).then_some("found what nobody put")
            } else if !genuine.any(|one| one.lives(now - SLACK)) {
                Some("found what has run out")
            } else if value.protection() != Protection::Encrypted && !query.matches(value.value()) {
                Some("found what it did not ask for")
            } else {
                None
            };
            if let Some(offence) = offence {
                self.report_violation(now, operation.host, format!("{offence}: {value:?}"));
            }
        }
    }

    /// Checks a get that has ended: what was well held all the time must have been found.
    pub(super) fn check_end(
        &mut self,
        now: Timestamp,
        operation: &Operation,
        well_held: &[ExpectedValue],
    ) {
        let found = operation.values();
        let is_found = |due: &&ExpectedValue| found.iter().any(|value| due.matches_checked(value));
        let due = operation
            .expected
            .iter()
            .filter(|due| well_held.contains(due));
        for missed in due.filter(|due| !is_found(due)) {
            self.report_violation(now, operation.host, format!("did not find {missed:?}"));
        }
    }

    /// Checks an operation that is out of time: it must have ended.
    pub(super) fn on_deadline(&mut self, now: Timestamp, operation: &Operation) {
        if operation.ended.is_none() {
            let what = format!(
                "{:?} on {} takes too long",
                operation.request, operation.key
            );
            self.report_violation(now, operation.host, what);
        }
    }

    /// Checks that a node's containers keep their bounds, and that it does what it was asked and
    /// nothing else.
    pub(super) fn check_bounds(
        &mut self,
        now: Timestamp,
        host: HostId,
        dht: &SecureDht,
        clock: Timestamp,
        operations: usize,
    ) {
        let (stats, config) = (dht.node().stats(clock), dht.node().config());
        // A signed put looks for earlier editions, an encrypted one for a certificate at two keys;
        // a node with an identity announces its certificate at two keys, plain and signed, and
        // looks at it there.
        let inner = 3 * dht.stats().preparations + if dht.identity().is_some() { 6 } else { 0 };
        let operations = operations + inner;
        let lookups = (2 * operations + REMEMBERED_LOOKUPS).min(config.lookup.max_lookups);
        let bounds = [
            ("lookups", stats.lookups, lookups),
            (
                "requests",
                stats.pending_requests,
                config.transport.max_requests,
            ),
            ("listeners", stats.listeners, config.storage.max_keys),
            ("keys", stats.storage.keys, config.storage.max_keys),
            ("operations", stats.operations, operations),
        ];
        for (name, count, bound) in bounds {
            if count > bound {
                self.report_violation(now, host, format!("{count} {name}, more than {bound}"));
            }
        }
    }

    /// Checks that a node stores nothing that claims to be signed and is not, unless it is its own.
    pub(super) fn check_storage(&mut self, now: Timestamp, host: HostId, dht: &SecureDht) {
        for record in dht.node().export_values() {
            let published = self.published.get(&record.key).into_iter().flatten();
            let mut genuine = published.filter(|one| one.value.matches_stored(&record.value));
            let claims = record.value.signed().is_some() && record.source.is_some();
            let certifies = record.value.value_type() == bulla_dht::ValueType::CERTIFICATE;
            if claims && !certifies && genuine.next().is_none() {
                self.report_violation(now, host, format!("stored a forgery: {:?}", record.value));
            }
        }
    }

    /// Adds a broken rule.
    pub(super) fn report_violation(&mut self, at: Timestamp, host: HostId, what: String) {
        self.violations.push(Violation { at, host, what });
    }
}

impl Published {
    /// Whether a copy made as late as possible is still alive at `now`.
    fn lives(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until + self.lifetime)
    }
}

impl Sim {
    /// Returns the values that so many of the nodes nearest to a key hold that a get must find
    /// them.
    pub(super) fn well_held(
        &self,
        asker: HostId,
        key: InfoHash,
        query: &Query,
    ) -> Vec<ExpectedValue> {
        let mut current = self.oracle.current(self.now, &key).peekable();
        let is_checked = !self.oracle.excuses_misses && query.conditions.is_empty();
        if current.peek().is_none() || !is_checked {
            return Vec::new();
        }
        let nearest = self.nearest(asker, key, NEAREST);
        let is_well_held = |value: &&ExpectedValue| {
            let holding = |host: &&HostId| self.holds(**host, key, value);
            nearest.iter().filter(holding).count() >= WELL_HELD
        };
        current.filter(is_well_held).cloned().collect()
    }

    /// Whether the node at a host holds a copy of a value.
    pub(super) fn holds(&self, host: HostId, key: InfoHash, value: &ExpectedValue) -> bool {
        self.node(host)
            .and_then(|node| node.stored(key, value.id))
            .is_some_and(|stored| value.matches_stored(stored))
    }
}

/// Returns how long an operation may take; `None` if it goes on until it is cancelled.
pub(super) fn time_limit(request: &Request) -> Option<Duration> {
    match request {
        Request::Get(_) | Request::Query(_) => Some(GET_LIMIT),
        Request::Put(value) if value.permanent => Some(LASTING_PUT_LIMIT),
        Request::Put(_) => Some(PUT_LIMIT),
        Request::Listen(_) => None,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_micros(self.at.as_micros()).as_secs_f64();
        write!(f, "at {seconds:.3} s, {:?}: {}", self.host, self.what)
    }
}
