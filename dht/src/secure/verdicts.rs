//! [`Verdicts`]: known and awaited verdicts by digest, so that a value is verified once even if
//! eight peers return it; and the keys by which signatures held, so that an owner's key is read
//! once, not for each of its values.

use std::collections::BTreeMap;

use bulla_identity::PublicKey;
use bulla_kad::LruMap;
use sha2::{Digest as _, Sha256};

use super::admission::Lane;
use super::signing::Opened;
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
    /// It is for us, and this was inside.
    Opened(Opened),
}

/// Verdicts known, a bounded number, and awaited, as many as there are jobs. `W` says what waits
/// for one.
#[derive(Debug)]
pub(super) struct Verdicts<W> {
    /// Those of the last values that were judged.
    known: LruMap<Digest, RememberedVerdict>,
    /// What waits for the verdicts that jobs are to bring.
    awaited: BTreeMap<Digest, Awaited<W>>,
    /// The keys by which signatures held, by the digest of their DER.
    signers: LruMap<Digest, PublicKey>,
}

/// A verdict as it is remembered: keys are large, and other nodes can make many.
#[derive(Debug)]
enum RememberedVerdict {
    /// Not good.
    Refused,
    /// By the key of this digest, as long as that is remembered.
    Signed(Digest),
}

/// A verdict that is not known yet.
#[derive(Debug)]
struct Awaited<W> {
    /// A job in the local lane is among those that will tell.
    is_local: bool,
    /// All that wait for it, in the order they came.
    waiters: Vec<W>,
}

impl Verdict {
    /// Reports whether a signature on the value itself holds.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self, Self::Signed(_))
    }
}

impl Digest {
    /// Hashes a signature and what it covers.
    pub(super) fn of_signed(signed: &Signed<'_>) -> Self {
        Self::of(
            b"signed",
            &[signed.owner, signed.signature, signed.signed_bytes],
        )
    }

    /// Hashes an owner's key.
    fn of_owner(der: &[u8]) -> Self {
        Self::of(b"owner", &[der])
    }

    /// Hashes an encrypted value, whole: its id stays with what is inside.
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

impl<W> Verdicts<W> {
    /// Remembers up to `limit` verdicts, and up to `max_keys` keys by which they were reached.
    pub(super) fn new(limit: usize, max_keys: usize) -> Self {
        Self {
            known: LruMap::new(limit),
            awaited: BTreeMap::new(),
            signers: LruMap::new(max_keys),
        }
    }

    /// Returns a verdict that is remembered.
    pub(super) fn known(&mut self, digest: &Digest) -> Option<Verdict> {
        match self.known.get(digest)? {
            RememberedVerdict::Refused => Some(Verdict::Refused),
            RememberedVerdict::Signed(owner) => {
                self.signers.get(owner).cloned().map(Verdict::Signed)
            }
        }
    }

    /// Returns the key of a value's owner, if another signature by it has held lately.
    pub(super) fn signer(&mut self, signed: &Signed<'_>) -> Option<PublicKey> {
        self.signers.get(&Digest::of_owner(signed.owner)).cloned()
    }

    /// Reports whether a job that goes at least as soon as those of `lane` will tell.
    pub(super) fn is_awaited(&self, digest: &Digest, lane: Lane) -> bool {
        self.awaited
            .get(digest)
            .is_some_and(|awaited| awaited.is_local || lane == Lane::Remote)
    }

    /// Adds a waiter. Unless the verdict is awaited already, the caller starts a job in `lane`.
    pub(super) fn wait(&mut self, digest: Digest, lane: Lane, waiter: W) {
        let awaited = self.awaited.entry(digest).or_insert_with(|| Awaited {
            is_local: false,
            waiters: Vec::new(),
        });
        awaited.is_local |= lane == Lane::Local;
        awaited.waiters.push(waiter);
    }

    /// Remembers a verdict, and returns all that waited for it. What was inside an encrypted value
    /// is not remembered: it is large, and a secret.
    pub(super) fn settle(&mut self, digest: Digest, verdict: &Verdict) -> Vec<W> {
        match verdict {
            Verdict::Refused => self.known.insert(digest, RememberedVerdict::Refused),
            Verdict::Signed(signer) => {
                let owner = Digest::of_owner(signer.to_der());
                self.signers.insert(owner, signer.clone());
                self.known.insert(digest, RememberedVerdict::Signed(owner));
            }
            Verdict::Opened(_) => {}
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

    #[test]
    fn all_that_wait_are_told_once_and_the_verdict_is_remembered() {
        let mut verdicts = Verdicts::<u8>::new(8, 8);
        verdicts.wait(DIGEST, Lane::Remote, 1);
        verdicts.wait(DIGEST, Lane::Remote, 2);
        assert_eq!(verdicts.known(&DIGEST), None);
        assert_eq!(verdicts.settle(DIGEST, &Verdict::Refused), [1, 2]);
        assert!(verdicts.settle(DIGEST, &Verdict::Refused).is_empty());
        assert_eq!(verdicts.known(&DIGEST), Some(Verdict::Refused));
    }

    #[test]
    fn the_key_of_a_signature_that_held_is_remembered() {
        let mut verdicts = Verdicts::<u8>::new(8, 8);
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
        let mut verdicts = Verdicts::<u8>::new(8, 1);
        for (number, signer) in [(1, alice()), (2, bob())] {
            let verdict = Verdict::Signed(signer.public_key().clone());
            verdicts.settle(Digest([number; 32]), &verdict);
            assert_eq!(verdicts.known(&Digest([number; 32])), Some(verdict));
        }
        assert_eq!(verdicts.known(&DIGEST), None);
    }

    #[test]
    fn the_application_does_not_wait_behind_remote_jobs() {
        let mut verdicts = Verdicts::<u8>::new(8, 8);
        verdicts.wait(DIGEST, Lane::Remote, 1);
        assert!(verdicts.is_awaited(&DIGEST, Lane::Remote));
        assert!(!verdicts.is_awaited(&DIGEST, Lane::Local));
        verdicts.wait(DIGEST, Lane::Local, 2);
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
