//! [`Oracle`]: the reference model. It knows what was really published, and so what a node must, may and must not say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::HostId;
use super::errand::{Errand, Task};
use crate::node::{Node, Stats};
use crate::{InfoHash, Query, Timestamp, Value};

/// How much longer than its lifetime a value may be seen: copies are made and clocks start when datagrams arrive.
const SLACK: Duration = Duration::from_secs(20);
/// A get or query is over by then, connected or not.
const GET_LIMIT: Duration = Duration::from_secs(30);
/// A put has been announced by then.
const PUT_LIMIT: Duration = Duration::from_secs(45);

/// What was published, and each offence against the rules so far.
#[derive(Default, Debug)]
pub(super) struct Oracle {
    published: BTreeMap<InfoHash, Vec<Published>>,
    verdicts: BTreeSet<InfoHash>,
    pub(super) violations: Vec<Violation>,
}

/// A rule was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub host: HostId,
    /// How.
    pub what: String,
}

#[derive(Debug)]
struct Published {
    value: Value,
    by: HostId,
    lifetime: Duration,
    /// When the last copy may have been made; `None` while it is still being announced.
    until: Option<Timestamp>,
}

/// How long an errand may take; `None` if it goes on until it is cancelled.
pub(super) fn patience_with(task: &Task) -> Option<Duration> {
    match task {
        Task::Get(_) | Task::Query(_) => Some(GET_LIMIT),
        Task::Put { .. } => Some(PUT_LIMIT),
        Task::Listen(_) => None,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_micros(self.at.as_micros()).as_secs_f64();
        write!(f, "at {seconds:.3} s, {:?}: {}", self.host, self.what)
    }
}

impl Oracle {
    /// A value is being published, for one lifetime from now or until its publisher stops.
    pub(super) fn on_put(
        &mut self,
        now: Timestamp,
        by: HostId,
        key: InfoHash,
        value: Value,
        lifetime: Duration,
        permanent: bool,
    ) {
        self.published.entry(key).or_default().push(Published {
            value,
            by,
            lifetime,
            until: (!permanent).then_some(now),
        });
    }

    /// A publisher stops, with all it publishes or with one value.
    pub(super) fn on_stop(&mut self, now: Timestamp, by: HostId, of: Option<(InfoHash, &Value)>) {
        for (key, published) in &mut self.published {
            for one in published.iter_mut().filter(|one| one.by == by) {
                let concerned = of.is_none_or(|(its, value)| its == *key && *value == one.value);
                if concerned && one.until.is_none() {
                    one.until = Some(now);
                }
            }
        }
    }

    /// Whether somebody published this. This is the verdict on values that claim to be signed.
    pub(super) fn is_genuine(&self, key: &InfoHash, value: &Value) -> bool {
        self.published
            .get(key)
            .is_some_and(|published| published.iter().any(|one| one.value == *value))
    }

    /// A verdict was given.
    pub(super) fn on_verdict(&mut self, value: &Value, holds: bool) {
        if holds {
            self.verdicts.insert(InfoHash::of(value.packed()));
        }
    }

    /// Values that may be found under `key` now.
    pub(super) fn current(&self, now: Timestamp, key: &InfoHash) -> Vec<Value> {
        let published = self.published.get(key).into_iter().flatten();
        published
            .filter(|one| one.until.is_none_or(|until| now < until + one.lifetime))
            .map(|one| one.value.clone())
            .collect()
    }

    /// An errand is told of values: they must have been published, must match, and must not have run out long ago.
    pub(super) fn judge_values(&mut self, now: Timestamp, errand: &Errand, values: &[Value]) {
        let query = match &errand.task {
            Task::Get(query) | Task::Listen(query) | Task::Query(query) => query.clone(),
            Task::Put { .. } => Query::default(),
        };
        for value in values {
            let published = self.published.get(&errand.key).into_iter().flatten();
            let genuine: Vec<_> = published.filter(|one| one.value == *value).collect();
            let alive = |one: &&&Published| {
                one.until
                    .is_none_or(|until| now < until + one.lifetime + SLACK)
            };
            if genuine.is_empty() {
                self.accuse(
                    now,
                    errand.host,
                    format!("found what nobody put, {value:?}"),
                );
            } else if genuine.iter().find(alive).is_none() {
                self.accuse(
                    now,
                    errand.host,
                    format!("found what has run out, {value:?}"),
                );
            }
            if !query.matches(value) {
                let what = format!("found what it did not ask for, {value:?}");
                self.accuse(now, errand.host, what);
            }
        }
    }

    /// An errand is over: what was well held all the time must have been found.
    pub(super) fn judge_end(&mut self, now: Timestamp, errand: &Errand, well_held: &[Value]) {
        let found = errand.values();
        let missed = errand
            .due
            .iter()
            .filter(|value| well_held.contains(value) && !found.contains(value));
        for value in missed {
            self.accuse(now, errand.host, format!("did not find {value:?}"));
        }
    }

    /// An errand has used up the time it has.
    pub(super) fn judge_patience(&mut self, now: Timestamp, errand: &Errand) {
        if errand.ended.is_none() {
            let what = format!("{:?} on {} takes too long", errand.task, errand.key);
            self.accuse(now, errand.host, what);
        }
    }

    /// A node's containers keep their bounds, and it does what it is asked and nothing else.
    pub(super) fn inspect(
        &mut self,
        now: Timestamp,
        host: HostId,
        node: &Node,
        clock: Timestamp,
        errands: usize,
    ) {
        let stats = node.stats(clock);
        let config = node.config();
        let Stats {
            storage,
            lookups,
            operations,
            pending_requests,
            listeners,
            ..
        } = stats;
        // Idle lookups are remembered, 256 of them; each operation has two, and there is the walk home.
        let bounds = [
            (
                "lookups",
                lookups,
                (2 * errands + 256 + 2).min(config.max_lookups),
            ),
            ("requests", pending_requests, config.max_requests),
            ("listeners", listeners, config.max_keys),
            ("keys", storage.keys, config.max_keys),
            ("operations", operations, errands),
        ];
        for (name, count, bound) in bounds {
            if count > bound {
                self.accuse(now, host, format!("{count} {name}, more than {bound}"));
            }
        }
    }

    /// No node stores what claims to be signed unless a verdict said so or it is its own.
    pub(super) fn judge_storage(&mut self, now: Timestamp, host: HostId, node: &Node) {
        for record in node.export_values() {
            let judged = self.verdicts.contains(&InfoHash::of(record.value.packed()));
            if record.value.signed().is_some() && record.source.is_some() && !judged {
                self.accuse(now, host, format!("stored unproved: {:?}", record.value));
            }
        }
    }

    pub(super) fn accuse(&mut self, at: Timestamp, host: HostId, what: String) {
        self.violations.push(Violation { at, host, what });
    }
}
