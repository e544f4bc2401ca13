//! [`SecureOutput`] and [`SecureEvent`]: what comes out of the secure layer; [`Outputs`]: the queue
//! that it comes out of.

use std::collections::VecDeque;

use bulla_identity::{Certificate, PublicKey};

use super::checked::Checked;
use super::error::SecurePutError;
use super::job::Job;
use crate::lookup::{GetReport, OpId, PutReport};
use crate::node::{Output, Status, Timer};
use crate::value::Row;
use crate::{Family, InfoHash, Timestamp};

/// Outputs that the queue keeps memory for when it is empty.
const KEPT_OUTPUTS: usize = 16;

/// One thing for the driver to do. A job goes back in with `handle_done`.
pub type SecureOutput = Output<SecureEvent, Job>;

/// Something the application waits for. Exhaustive: a driver that ignored a new one would leave an
/// application waiting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecureEvent {
    /// Values found by a get, or new and edited ones for a listen.
    Values {
        /// The get or listen.
        op: OpId,
        /// Those that passed the checks, in the order of arrival. None is older than one of the
        /// same id and signer handed out before.
        values: Vec<Checked>,
    },
    /// Values that a listen reported and that no storing node holds any more.
    Expired {
        /// The listen.
        op: OpId,
        /// As they were reported.
        values: Vec<Checked>,
    },
    /// Field rows found by a query. They are not signed.
    Rows {
        /// The query.
        op: OpId,
        /// Each row once.
        rows: Vec<Row>,
    },
    /// A get or query is over; nothing more comes for it.
    GetDone {
        /// The get or query.
        op: OpId,
        /// How well it was answered.
        report: GetReport,
        /// Values that did not pass the checks: forged, encrypted for others, bound to another
        /// place or time, not bound though only such were wanted, or too many at a time.
        dropped: usize,
    },
    /// A put has been announced to all nodes nearest to its key. A permanent one goes on silently.
    PutDone {
        /// The put.
        op: OpId,
        /// How many nodes hold the value.
        report: PutReport,
    },
    /// A put failed; nothing was sent.
    PutFailed {
        /// The put.
        op: OpId,
        /// Why.
        error: SecurePutError,
    },
    /// A search for a certificate is over.
    Certificate {
        /// The search.
        op: OpId,
        /// The certificate, if it was found.
        certificate: Option<Certificate>,
    },
    /// A search for a public key is over.
    PublicKey {
        /// The search.
        op: OpId,
        /// The key, if it was found and is one of RSA.
        key: Option<PublicKey>,
    },
    /// Another certificate of our key was found in place of our own, which is put back.
    CertificateDisplaced {
        /// Where it was found.
        key: InfoHash,
    },
    /// How well the node is connected has changed.
    StatusChanged {
        /// The address family.
        family: Family,
        /// Its new status.
        status: Status,
    },
}

/// What is to come out, in order.
#[derive(Debug)]
pub(super) struct Outputs {
    /// All but the wake-up.
    queue: VecDeque<SecureOutput>,
    /// What comes when nothing else is left.
    wake: (Timestamp, Timer),
}

impl Outputs {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            wake: (Timestamp::MAX, Timer::Never),
        }
    }

    /// Adds an output at the end.
    pub(super) fn push(&mut self, output: SecureOutput) {
        self.queue.push_back(output);
    }

    /// Sets the wake-up.
    pub(super) fn wake(&mut self, at: Timestamp, timer: Timer) {
        self.wake = (at, timer);
    }

    /// Takes the next output; the wake-up is the last, and stays.
    pub(super) fn poll(&mut self) -> SecureOutput {
        if let Some(output) = self.queue.pop_front() {
            return output;
        }
        self.queue.shrink_to(KEPT_OUTPUTS);
        let (at, timer) = self.wake;
        SecureOutput::Wake(at, timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_in_order_and_the_wake_up_last() {
        let mut outputs = Outputs::new();
        outputs.wake(Timestamp::ZERO, Timer::Never);
        for op in 0..100 {
            let (op, certificate) = (OpId(op), None);
            outputs.push(SecureOutput::Event(SecureEvent::Certificate {
                op,
                certificate,
            }));
        }
        for its in 0..100 {
            let SecureOutput::Event(SecureEvent::Certificate { op, .. }) = outputs.poll() else {
                panic!("no event");
            };
            assert_eq!(op, OpId(its));
        }
        for _ in 0..2 {
            let output = outputs.poll();
            assert!(matches!(
                output,
                SecureOutput::Wake(Timestamp::ZERO, Timer::Never)
            ));
        }
        assert!(outputs.queue.capacity() <= KEPT_OUTPUTS);
    }
}
