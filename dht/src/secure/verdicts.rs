//! [`Verdicts`]: what has been judged and what is being judged, by digest, so that eight peers who return one value
//! cost one verification; and the keys by which signatures held, so that a thousand values of one owner have it read once.

use std::collections::BTreeMap;

use bulla_identity::PublicKey;
use sha2::{Digest as _, Sha256};

use super::admission::Lane;
use super::inspect::Position;
use super::lru::LruMap;
use super::readers::Readers;
use crate::node::CheckId;
use crate::value::{Signed, Value};

/// SHA-256 of all that a verdict depends on, or of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Digest([u8; 32]);

/// What the cryptography said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The signature does not hold, or the value is not for us.
    Refused,
    /// The signature by this key holds.
    Signed(PublicKey),
    /// This was inside, for us, or for us and all of these, with a signature by this key that holds.
    Opened(Value, PublicKey, Readers),
}

/// Who waits for a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiter {
    /// A value found for the application.
    Position(Position),
    /// A value that a stranger wants stored.
    Check(CheckId),
}

/// Verdicts known, a bounded number, and awaited, as many as there are jobs.
#[derive(Debug)]
pub(super) struct Verdicts {
    known: LruMap<Digest, Known>,
    awaited: BTreeMap<Digest, Awaited>,
    /// By the digest of their DER.
    signers: LruMap<Digest, PublicKey>,
}

/// A verdict as it is remembered: keys are large, and strangers can have many.
#[derive(Debug)]
enum Known {
    Refused,
    /// By the key of this digest, as long as that is remembered.
    Signed(Digest),
}

#[derive(Debug)]
struct Awaited {
    /// A job in the local lane is among those that will tell.
    local: bool,
    waiters: Vec<Waiter>,
}

impl Verdict {
    /// Whether a signature on the value itself holds.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self, Self::Signed(_))
    }
}

impl Digest {
    /// Of a signature and what it covers.
    pub(super) fn of_signed(signed: &Signed<'_>) -> Self {
        Self::of(
            b"signed",
            &[signed.owner, signed.signature, signed.signed_bytes],
        )
    }

    /// Of an owner's key.
    fn of_owner(der: &[u8]) -> Self {
        Self::of(b"owner", &[der])
    }

    /// Of an encrypted value, whole: its id stays with what is inside.
    pub(super) fn of_encrypted(value: &Value) -> Self {
        Self::of(b"encrypted", &[value.packed()])
    }

    fn of(domain: &[u8], parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new_with_prefix(domain);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl Verdicts {
    pub(super) fn new(limit: usize, max_keys: usize) -> Self {
        Self {
            known: LruMap::new(limit),
            awaited: BTreeMap::new(),
            signers: LruMap::new(max_keys),
        }
    }

    pub(super) fn known(&mut self, digest: &Digest) -> Option<Verdict> {
        match self.known.get(digest)? {
            Known::Refused => Some(Verdict::Refused),
            Known::Signed(owner) => self.signers.get(owner).cloned().map(Verdict::Signed),
        }
    }

    /// The key of a value's owner, if another signature by it has held lately.
    pub(super) fn signer(&mut self, signed: &Signed<'_>) -> Option<PublicKey> {
        self.signers.get(&Digest::of_owner(signed.owner)).cloned()
    }

    /// Whether a job that goes at least as soon as those of `lane` will tell.
    pub(super) fn is_awaited(&self, digest: &Digest, lane: Lane) -> bool {
        self.awaited
            .get(digest)
            .is_some_and(|awaited| awaited.local || lane == Lane::Remote)
    }

    /// Adds a waiter. Unless the verdict is awaited already, the caller starts a job in `lane`.
    pub(super) fn wait(&mut self, digest: Digest, lane: Lane, waiter: Waiter) {
        let awaited = self.awaited.entry(digest).or_insert_with(|| Awaited {
            local: false,
            waiters: Vec::new(),
        });
        awaited.local |= lane == Lane::Local;
        awaited.waiters.push(waiter);
    }

    /// The verdict is there; gives those who waited for it. What was inside an encrypted value is not remembered: it
    /// is large, and a secret.
    pub(super) fn settle(&mut self, digest: Digest, verdict: &Verdict) -> Vec<Waiter> {
        match verdict {
            Verdict::Refused => self.known.insert(digest, Known::Refused),
            Verdict::Signed(signer) => {
                let owner = Digest::of_owner(signer.to_der());
                self.signers.insert(owner, signer.clone());
                self.known.insert(digest, Known::Signed(owner));
            }
            Verdict::Opened(..) => {}
        }
        self.awaited
            .remove(&digest)
            .map_or_else(Vec::new, |awaited| awaited.waiters)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, signed};
    use super::*;

    const DIGEST: Digest = Digest([1; 32]);

    fn check(number: u64) -> Waiter {
        Waiter::Check(CheckId(number))
    }

    #[test]
    fn all_who_wait_are_told_once_and_the_verdict_is_remembered() {
        let mut verdicts = Verdicts::new(8, 8);
        verdicts.wait(DIGEST, Lane::Remote, check(1));
        verdicts.wait(DIGEST, Lane::Remote, check(2));
        assert_eq!(verdicts.known(&DIGEST), None);
        assert_eq!(
            verdicts.settle(DIGEST, &Verdict::Refused),
            [check(1), check(2)]
        );
        assert_eq!(verdicts.settle(DIGEST, &Verdict::Refused), []);
        assert_eq!(verdicts.known(&DIGEST), Some(Verdict::Refused));
    }

    #[test]
    fn the_key_of_a_signature_that_held_is_remembered() {
        let mut verdicts = Verdicts::new(8, 8);
        let value = signed(&alice(), 1, 0, "hello");
        let claim = value.signed().unwrap();
        let digest = Digest::of_signed(&claim);
        verdicts.settle(digest, &Verdict::Refused);
        assert_eq!(verdicts.signer(&claim), None);
        let key = alice().public_key().clone();
        verdicts.settle(digest, &Verdict::Signed(key.clone()));
        assert_eq!(verdicts.signer(&claim), Some(key.clone()));
        assert_eq!(verdicts.known(&digest), Some(Verdict::Signed(key)));
        let of_bob = signed(&bob(), 1, 0, "hello");
        assert_eq!(verdicts.signer(&of_bob.signed().unwrap()), None);
    }

    #[test]
    fn no_more_keys_are_kept_than_allowed_however_many_verdicts() {
        let mut verdicts = Verdicts::new(8, 1);
        for (number, signer) in [(1, alice()), (2, bob())] {
            let verdict = Verdict::Signed(signer.public_key().clone());
            verdicts.settle(Digest([number; 32]), &verdict);
            assert_eq!(verdicts.known(&Digest([number; 32])), Some(verdict));
        }
        assert_eq!(verdicts.known(&DIGEST), None);
    }

    #[test]
    fn the_application_does_not_wait_behind_strangers() {
        let mut verdicts = Verdicts::new(8, 8);
        verdicts.wait(DIGEST, Lane::Remote, check(1));
        assert!(verdicts.is_awaited(&DIGEST, Lane::Remote));
        assert!(!verdicts.is_awaited(&DIGEST, Lane::Local));
        verdicts.wait(DIGEST, Lane::Local, check(2));
        assert!(verdicts.is_awaited(&DIGEST, Lane::Local));
    }

    #[test]
    fn parts_of_a_digest_cannot_be_shifted_into_each_other() {
        assert_ne!(
            Digest::of(b"signed", &[b"ab", b"c"]),
            Digest::of(b"signed", &[b"a", b"bc"])
        );
    }
}
