//! [`Admission`]: how much work may wait at a time, in all and for one source.
//!
//! Each job holds a [`Ticket`] that comes back with its [`Done`](super::Done). What the application
//! waits for goes before the checks of other nodes' values; these are limited in number, and no
//! source gets all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::options::SecureConfig;
use crate::{Source, Value};

/// What a waiting value counts on top of its packed bytes: the job and its place in the results.
const OVERHEAD_BYTES: usize = 512;

/// Which jobs go first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// The application waits for it.
    Local,
    /// Another node wants something stored.
    Remote,
}

/// The right to one job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ticket {
    /// A step of an operation of the application; their number is bounded.
    Step,
    /// A value that the application waits for.
    Value { bytes: usize },
    /// Another node's value.
    Check { source: Source },
}

/// Counts the tickets that are out.
#[derive(Debug)]
pub(super) struct Admission {
    waiting_bytes: usize,
    max_waiting_bytes: usize,
    checks: BTreeMap<Source, usize>,
    checks_in_total: usize,
    max_checks: usize,
    max_checks_per_source: usize,
}

impl Ticket {
    pub(super) fn lane(&self) -> Lane {
        match self {
            Self::Step | Self::Value { .. } => Lane::Local,
            Self::Check { .. } => Lane::Remote,
        }
    }
}

impl Admission {
    pub(super) fn new(config: &SecureConfig) -> Self {
        Self {
            waiting_bytes: 0,
            max_waiting_bytes: config.max_waiting_bytes,
            checks: BTreeMap::new(),
            checks_in_total: 0,
            max_checks: config.max_remote_checks,
            max_checks_per_source: config.max_remote_checks_per_source,
        }
    }

    /// Admits a value found for the application.
    pub(super) fn admit_value(&mut self, value: &Value) -> Option<Ticket> {
        let bytes = value.packed().len() + OVERHEAD_BYTES;
        if self.waiting_bytes + bytes > self.max_waiting_bytes {
            return None;
        }
        self.waiting_bytes += bytes;
        Some(Ticket::Value { bytes })
    }

    /// Admits a value that this address wants stored.
    pub(super) fn admit_check(&mut self, sender: SocketAddr) -> Option<Ticket> {
        let source = Source::of(sender.ip());
        let of_source = self.checks.get(&source).copied().unwrap_or(0);
        if self.checks_in_total >= self.max_checks || of_source >= self.max_checks_per_source {
            return None;
        }
        self.checks_in_total += 1;
        self.checks.insert(source, of_source + 1);
        Some(Ticket::Check { source })
    }

    /// Takes a ticket back.
    pub(super) fn release(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Step => {}
            Ticket::Value { bytes } => self.waiting_bytes -= bytes,
            Ticket::Check { source } => {
                self.checks_in_total -= 1;
                if let Some(count) = self.checks.get_mut(&source) {
                    *count -= 1;
                    if *count == 0 {
                        self.checks.remove(&source);
                    }
                }
            }
        }
    }

    /// Counts the bytes of the application's values that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Counts other nodes' values that wait.
    pub(super) fn checks(&self) -> usize {
        self.checks_in_total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, ValueId, wire};

    fn admission(bytes: usize) -> Admission {
        Admission::new(&SecureConfig {
            max_waiting_bytes: bytes,
            max_remote_checks: 3,
            max_remote_checks_per_source: 2,
            ..SecureConfig::default()
        })
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_cannot_take_what_is_there_for_all() {
        let mut admission = admission(0);
        let first = admission.admit_check(addr("192.0.2.1:1")).unwrap();
        assert!(admission.admit_check(addr("192.0.2.1:2")).is_some());
        assert_eq!(admission.admit_check(addr("192.0.2.1:3")), None);
        assert!(admission.admit_check(addr("192.0.2.2:1")).is_some());
        assert_eq!(admission.admit_check(addr("192.0.2.3:1")), None);
        assert_eq!(first.lane(), Lane::Remote);
        admission.release(first);
        assert!(admission.admit_check(addr("192.0.2.3:1")).is_some());
    }

    #[test]
    fn values_for_the_application_are_bounded_by_their_bytes_alone() {
        let value = wire::pack(&Draft::from("hello"), ValueId(1));
        let mut admission = admission(OVERHEAD_BYTES + value.packed().len());
        let ticket = admission.admit_value(&value).unwrap();
        assert_eq!(admission.admit_value(&value), None);
        assert!(admission.admit_check(addr("192.0.2.1:1")).is_some());
        assert_eq!(ticket.lane(), Lane::Local);
        admission.release(ticket);
        assert_eq!(admission.waiting_bytes(), 0);
        assert!(admission.admit_value(&value).is_some());
    }
}
