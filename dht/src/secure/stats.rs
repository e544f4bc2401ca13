//! [`SecureStats`]: what the secure layer counts.

use super::SecureDht;

/// What the secure layer counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SecureStats {
    /// Bytes of values that wait for their verdict before the application gets them.
    pub waiting_bytes: usize,
    /// Values of other nodes with proofs that are being checked.
    pub checks: usize,
    /// Puts being signed or encrypted, and searches for certificates.
    pub preparations: usize,
    /// Values of gets and listens that did not pass the checks, since the start.
    pub dropped_values: u64,
    /// How often another certificate was found in place of our own, since the start.
    pub displaced_certificates: u64,
    /// Values of other nodes that were not checked because too many were, since the start.
    pub dropped_checks: u64,
}

impl SecureDht {
    /// Returns the figures of this moment.
    pub fn stats(&self) -> SecureStats {
        SecureStats {
            waiting_bytes: self.checks.waiting_bytes(),
            checks: self.checks.remote_checks(),
            preparations: self.pending.preparations(),
            dropped_values: self.checks.dropped(),
            displaced_certificates: self.displaced_certificates,
            dropped_checks: self.checks.unchecked(),
        }
    }
}
