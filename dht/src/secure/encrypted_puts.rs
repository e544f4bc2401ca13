//! [`EncryptedPuts`]: encrypted puts that are being prepared (`docs/spec/secure.md#5.3`).
//!
//! ```text
//!   begin ─▶ all keys known? ─ yes ─▶ encrypt ─▶ announce
//!                 ▲      └──── no ──▶ search for the key of one recipient
//!                 └────────────── on_key ◀──┘
//! ```
//!
//! The keys of recipients are looked for one after the other, the last named first. If one is not
//! found, the put fails.

use std::collections::BTreeMap;
use std::mem;

use bulla_identity::{EncryptError, Identity, KeyId, LongKeyId, MAX_RECIPIENTS, PublicKey};

use super::action::SecureAction;
use super::admission::Ticket;
use super::error::SecurePutError;
use super::job::Task;
use super::key_cache::{KeyCache, KeyName};
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Draft, Value, ValueAddress};

/// A key that a value is encrypted for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// The holder of this key.
    Key(PublicKey),
    /// The holder of the key of this name, which is searched for if it is not at hand.
    Name(KeyName),
}

/// Encrypted puts that are being prepared.
#[derive(Default, Debug)]
pub(super) struct EncryptedPuts(BTreeMap<OpId, EncryptedPut>);

/// A value to be encrypted and put.
#[derive(Debug)]
pub(super) struct EncryptedPut {
    /// Where it will be.
    address: ValueAddress,
    /// The value; empty once it is being encrypted.
    draft: Draft,
    /// What the node is told with it.
    options: PutOptions,
    /// The recipients with keys that have not been looked at; the last is the next.
    missing: Vec<Recipient>,
    /// The keys of the others.
    known: Vec<PublicKey>,
    /// What it waits for.
    phase: Phase,
}

/// What an encrypted put waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing: the keys of its recipients can be collected.
    Ready,
    /// The key of this name.
    Searching(KeyName),
    /// Its ciphertext.
    Encrypting,
}

impl From<PublicKey> for Recipient {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

impl From<LongKeyId> for Recipient {
    fn from(id: LongKeyId) -> Self {
        Self::Name(id.into())
    }
}

impl From<KeyId> for Recipient {
    /// As users of OpenDHT before 3.5 are named.
    fn from(id: KeyId) -> Self {
        Self::Name(id.into())
    }
}

impl EncryptedPut {
    pub(super) fn new(
        address: ValueAddress,
        draft: Draft,
        options: PutOptions,
        recipients: Vec<Recipient>,
    ) -> Self {
        Self {
            address,
            draft,
            options,
            missing: recipients,
            known: Vec::new(),
            phase: Phase::Ready,
        }
    }
}

impl EncryptedPuts {
    /// Takes a put with at least one recipient.
    pub(super) fn begin(&mut self, op: OpId, put: EncryptedPut) {
        self.0.insert(op, put);
    }

    /// Takes the key that a put waits for, or the reason why there is none.
    pub(super) fn on_key(
        &mut self,
        op: OpId,
        key: Result<PublicKey, SecurePutError>,
    ) -> Option<SecureAction> {
        let put = self.0.get_mut(&op)?;
        let Phase::Searching(_) = put.phase else {
            return None;
        };
        put.phase = Phase::Ready;
        match key {
            Ok(key) => {
                put.known.push(key);
                None
            }
            Err(error) => {
                self.0.remove(&op);
                Some(SecureAction::Fail(op, error))
            }
        }
    }

    /// Takes the encrypted value, or the reason why there is none.
    pub(super) fn on_encrypted(
        &mut self,
        op: OpId,
        value: Result<Value, SecurePutError>,
    ) -> Option<SecureAction> {
        let put = self.0.remove(&op)?;
        Some(match value {
            Ok(value) => SecureAction::Announce {
                op,
                key: put.address.key,
                value,
                options: put.options,
            },
            Err(error) => SecureAction::Fail(op, error),
        })
    }

    /// Forgets a put, and returns the name of the key that it waited for.
    pub(super) fn cancel(&mut self, op: OpId) -> Option<KeyName> {
        match self.0.remove(&op)?.phase {
            Phase::Searching(name) => Some(name),
            Phase::Ready | Phase::Encrypting => None,
        }
    }

    /// Goes on with the recipients of a value, if it is ready; once all their keys are known, it is
    /// signed by `us` and encrypted.
    pub(super) fn next(
        &mut self,
        op: OpId,
        us: &Identity,
        keys: &mut KeyCache,
    ) -> Option<SecureAction> {
        let put = self.0.get_mut(&op)?;
        if put.phase != Phase::Ready {
            return None;
        }
        while let Some(recipient) = put.missing.pop() {
            let known = match recipient {
                Recipient::Key(key) => Ok(key),
                Recipient::Name(name) => keys.public_key(name).ok_or(name),
            };
            match known {
                Ok(key) => put.known.push(key),
                Err(name) => {
                    put.phase = Phase::Searching(name);
                    return Some(SecureAction::Search(op, name));
                }
            }
        }
        put.phase = Phase::Encrypting;
        // A recipient that was named twice is one.
        let mut recipients = mem::take(&mut put.known);
        recipients.sort_by_key(PublicKey::long_id);
        recipients.dedup();
        let task = Task::Encrypt {
            op,
            key: us.key().clone(),
            recipients,
            draft: mem::take(&mut put.draft),
            id: put.address.id,
        };
        Some(SecureAction::Start(Ticket::Step, task))
    }
}

/// Refuses recipients that a value cannot be encrypted for.
pub(super) fn check_recipients(recipients: &[Recipient]) -> Result<(), SecurePutError> {
    if !(1..=MAX_RECIPIENTS).contains(&recipients.len()) {
        return Err(SecurePutError::Recipients(recipients.len()));
    }
    for recipient in recipients {
        if let Recipient::Key(key) = recipient
            && !key.kind().encrypts()
        {
            return Err(EncryptError::NotForEncryption(key.kind()).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bulla_identity::{Curve, IdentityParams, KeyKind};

    use super::super::testing::{alice, bob, carol};
    use super::*;
    use crate::value::ValueId;
    use crate::{InfoHash, wire};

    const OP: OpId = OpId(1);

    /// What was done.
    #[derive(PartialEq, Eq, Debug)]
    enum EncryptionStep {
        Search(KeyName),
        Encrypt(Vec<PublicKey>),
        Announce(Value),
        Fail(SecurePutError),
    }

    fn inbox() -> ValueAddress {
        ValueAddress {
            key: InfoHash::from_key("inbox"),
            id: ValueId(7),
        }
    }

    fn key(identity: &Identity) -> PublicKey {
        identity.public_key().clone()
    }

    fn puts<const N: usize>(recipients: [Recipient; N]) -> EncryptedPuts {
        let options = PutOptions {
            permanent: true,
            ..PutOptions::default()
        };
        let draft = Draft::from("for your eyes");
        let put = EncryptedPut::new(inbox(), draft, options, recipients.into());
        let mut puts = EncryptedPuts::default();
        puts.begin(OP, put);
        puts
    }

    fn steps(action: Option<SecureAction>) -> Vec<EncryptionStep> {
        let step = |action| match action {
            SecureAction::Search(op, name) => {
                assert_eq!(op, OP);
                EncryptionStep::Search(name)
            }
            SecureAction::Start(
                Ticket::Step,
                Task::Encrypt {
                    op,
                    recipients,
                    draft,
                    id,
                    ..
                },
            ) => {
                assert_eq!(
                    (op, id, &draft.data[..]),
                    (OP, ValueId(7), &b"for your eyes"[..])
                );
                EncryptionStep::Encrypt(recipients)
            }
            SecureAction::Announce {
                op,
                key,
                value,
                options,
            } => {
                assert_eq!((op, key, options.permanent), (OP, inbox().key, true));
                EncryptionStep::Announce(value)
            }
            SecureAction::Fail(op, error) => {
                assert_eq!(op, OP);
                EncryptionStep::Fail(error)
            }
            _ => panic!("another action"),
        };
        action.into_iter().map(step).collect()
    }

    /// Encryption for these.
    fn encrypt<const N: usize>(identities: [Identity; N]) -> EncryptionStep {
        let mut recipients: Vec<_> = identities.iter().map(key).collect();
        recipients.sort_by_key(PublicKey::long_id);
        EncryptionStep::Encrypt(recipients)
    }

    fn search(name: impl Into<KeyName>) -> EncryptionStep {
        EncryptionStep::Search(name.into())
    }

    #[test]
    fn a_value_for_known_keys_is_encrypted_at_once_and_announced() {
        let mut keys = KeyCache::new(None, 4);
        keys.remember_key(bob().public_key());
        let mut puts = puts([bob().long_id().into(), key(&carol()).into()]);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [encrypt([bob(), carol()])]);
        assert_eq!(steps(puts.next(OP, &alice(), &mut keys)), []);
        let value = wire::pack_encrypted(&Draft::default(), ValueId(7), b"ciphertext");
        let action = puts.on_encrypted(OP, Ok(value.clone()));
        assert_eq!(steps(action), [EncryptionStep::Announce(value)]);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn missing_keys_are_searched_for_one_after_the_other() {
        let mut keys = KeyCache::new(None, 4);
        let mut puts = puts([alice(), bob(), carol()].map(|identity| identity.long_id().into()));
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [search(carol().long_id())]);
        assert_eq!(steps(puts.next(OP, &alice(), &mut keys)), []);
        assert_eq!(steps(puts.on_key(OP, Ok(key(&carol())))), []);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [search(bob().long_id())]);
        // Meanwhile another search has found one.
        keys.remember_key(alice().public_key());
        assert_eq!(steps(puts.on_key(OP, Ok(key(&bob())))), []);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [encrypt([alice(), bob(), carol()])]);
    }

    #[test]
    fn a_recipient_named_twice_is_one() {
        let mut keys = KeyCache::new(None, 4);
        let to = [key(&bob()).into(), bob().id().into(), key(&bob()).into()];
        let mut puts = puts(to);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [search(bob().id())]);
        assert_eq!(steps(puts.on_key(OP, Ok(key(&bob())))), []);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [encrypt([bob()])]);
    }

    #[test]
    fn a_put_fails_if_a_key_is_not_found() {
        let mut keys = KeyCache::new(None, 4);
        let mut puts = puts([bob().long_id().into(), carol().long_id().into()]);
        let _ = puts.next(OP, &alice(), &mut keys);
        let action = puts.on_key(OP, Err(SecurePutError::NoCertificate));
        assert_eq!(
            steps(action),
            [EncryptionStep::Fail(SecurePutError::NoCertificate)]
        );
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_put_fails_if_it_cannot_be_encrypted() {
        let mut keys = KeyCache::new(None, 4);
        let mut puts = puts([key(&bob()).into()]);
        let _ = puts.next(OP, &alice(), &mut keys);
        let action = puts.on_encrypted(OP, Err(SecurePutError::NotRsa));
        assert_eq!(
            steps(action),
            [EncryptionStep::Fail(SecurePutError::NotRsa)]
        );
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_key_that_is_not_searched_for_is_ignored() {
        let mut keys = KeyCache::new(None, 4);
        let mut puts = puts([key(&bob()).into()]);
        assert_eq!(steps(puts.on_key(OP, Ok(key(&carol())))), []);
        assert_eq!(steps(puts.on_key(OP, Err(SecurePutError::NotRsa))), []);
        let action = puts.next(OP, &alice(), &mut keys);
        assert_eq!(steps(action), [encrypt([bob()])]);
        assert_eq!(steps(puts.on_key(OP, Err(SecurePutError::NotRsa))), []);
    }

    #[test]
    fn a_cancelled_put_names_the_search_that_it_leaves() {
        let mut keys = KeyCache::new(None, 4);
        let name = KeyName::from(bob().long_id());
        let mut searching = puts([Recipient::Name(name)]);
        let _ = searching.next(OP, &alice(), &mut keys);
        assert_eq!(searching.cancel(OP), Some(name));
        assert_eq!(steps(searching.on_key(OP, Ok(key(&bob())))), []);

        let mut encrypting = puts([key(&bob()).into()]);
        let _ = encrypting.next(OP, &alice(), &mut keys);
        assert_eq!(encrypting.cancel(OP), None);
        assert_eq!(
            steps(encrypting.on_encrypted(OP, Err(SecurePutError::NotRsa))),
            []
        );
    }

    #[test]
    fn the_number_of_recipients_is_bounded() {
        for (count, is_good) in [(0, false), (1, true), (64, true), (65, false)] {
            let to = vec![Recipient::from(bob().long_id()); count];
            let refusal = Err(SecurePutError::Recipients(count));
            let expected = if is_good { Ok(()) } else { refusal };
            assert_eq!(check_recipients(&to), expected);
        }
    }

    #[test]
    fn a_key_that_cannot_encrypt_is_refused() {
        let kind = KeyKind::Curve(Curve::P384);
        let erin = Identity::generate(&IdentityParams::new("erin", 0).kind(kind)).unwrap();
        let refusal = SecurePutError::Encrypt(EncryptError::NotForEncryption(kind));
        let to = [key(&bob()).into(), key(&erin).into()];
        assert_eq!(check_recipients(&to), Err(refusal));
        assert_eq!(check_recipients(&to[..1]), Ok(()));
    }
}
