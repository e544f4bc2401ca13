//! [`EncryptedPuts`]: encrypted puts that are being prepared (`docs/spec/secure.md#5.3`).
//!
//! ```text
//!   begin ─▶ all keys known? ─ yes ─▶ Encrypt ─▶ Announce
//!                 ▲      └──── no ──▶ Search for the certificate of one recipient
//!                 └──────────────────── on_key ◀───┘
//! ```
//!
//! The keys of recipients are looked for one after the other, the last named first. If one is not
//! found, the put fails.

use std::collections::BTreeMap;
use std::mem;

use bulla_identity::{EncryptError, KeyId, LongKeyId, MAX_RECIPIENTS, PublicKey};

use super::error::PutError;
use super::key_cache::{KeyCache, KeyName};
use crate::InfoHash;
use crate::lookup::OpId;
use crate::node::PutOptions;
use crate::value::{Draft, Value, ValueAddress, ValueId};

/// For whom a value is encrypted.
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
    /// The recipients whose keys have not been looked at; the last is the next.
    missing: Vec<Recipient>,
    /// The keys of the others.
    known: Vec<PublicKey>,
    /// The name of the key that is searched for.
    awaited: Option<KeyName>,
}

/// What is to be done for an encrypted put.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum EncryptAction {
    /// Search for the key of this name, and tell `on_key`.
    Search(KeyName),
    /// Have this signed and encrypted, and tell `on_encrypted`.
    Encrypt {
        recipients: Vec<PublicKey>,
        draft: Draft,
        id: ValueId,
    },
    /// Put this value.
    Announce {
        key: InfoHash,
        value: Value,
        options: PutOptions,
    },
    /// Tell the application that it came to nothing.
    Fail(PutError),
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
            awaited: None,
        }
    }
}

impl EncryptedPuts {
    /// Takes a put with at least one recipient.
    pub(super) fn begin(
        &mut self,
        op: OpId,
        put: EncryptedPut,
        keys: &mut KeyCache,
    ) -> Option<EncryptAction> {
        self.0.insert(op, put);
        self.next(op, keys)
    }

    /// Takes the key that a put waits for, or the reason why there is none.
    pub(super) fn on_key(
        &mut self,
        op: OpId,
        key: Result<PublicKey, PutError>,
        keys: &mut KeyCache,
    ) -> Option<EncryptAction> {
        let put = self.0.get_mut(&op)?;
        put.awaited.take()?;
        match key {
            Ok(key) => {
                put.known.push(key);
                self.next(op, keys)
            }
            Err(error) => {
                self.0.remove(&op);
                Some(EncryptAction::Fail(error))
            }
        }
    }

    /// Takes the encrypted value, or the reason why there is none.
    pub(super) fn on_encrypted(
        &mut self,
        op: OpId,
        value: Result<Value, PutError>,
    ) -> Option<EncryptAction> {
        let put = self.0.remove(&op)?;
        Some(match value {
            Ok(value) => EncryptAction::Announce {
                key: put.address.key,
                value,
                options: put.options,
            },
            Err(error) => EncryptAction::Fail(error),
        })
    }

    /// Forgets a put, and returns the name of the key that it waited for.
    pub(super) fn cancel(&mut self, op: OpId) -> Option<KeyName> {
        self.0.remove(&op)?.awaited
    }

    /// Goes on with the recipients of a value; when all their keys are known, it is encrypted.
    fn next(&mut self, op: OpId, keys: &mut KeyCache) -> Option<EncryptAction> {
        let put = self.0.get_mut(&op)?;
        while let Some(recipient) = put.missing.pop() {
            let known = match recipient {
                Recipient::Key(key) => Ok(key),
                Recipient::Name(name) => keys.public_key(name).ok_or(name),
            };
            match known {
                Ok(key) => put.known.push(key),
                Err(name) => {
                    put.awaited = Some(name);
                    return Some(EncryptAction::Search(name));
                }
            }
        }
        // A recipient that was named twice is one.
        let mut recipients = mem::take(&mut put.known);
        recipients.sort_by_key(PublicKey::long_id);
        recipients.dedup();
        Some(EncryptAction::Encrypt {
            recipients,
            draft: mem::take(&mut put.draft),
            id: put.address.id,
        })
    }
}

/// Refuses recipients that a value cannot be encrypted for.
pub(super) fn check_recipients(recipients: &[Recipient]) -> Result<(), PutError> {
    if !(1..=MAX_RECIPIENTS).contains(&recipients.len()) {
        return Err(PutError::Recipients(recipients.len()));
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
    use bulla_identity::{Curve, Identity, IdentityParams, KeyKind};

    use super::super::testing::{alice, bob, carol};
    use super::*;
    use crate::wire;

    const OP: OpId = OpId(1);

    fn put<const N: usize>(recipients: [Recipient; N]) -> EncryptedPut {
        let options = PutOptions {
            permanent: true,
            ..PutOptions::default()
        };
        let draft = Draft::from("for your eyes");
        EncryptedPut::new(inbox(), draft, options, recipients.into())
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

    /// What is to be encrypted for these.
    fn encrypt<const N: usize>(identities: [Identity; N]) -> Option<EncryptAction> {
        let mut recipients: Vec<_> = identities.iter().map(key).collect();
        recipients.sort_by_key(PublicKey::long_id);
        Some(EncryptAction::Encrypt {
            recipients,
            draft: Draft::from("for your eyes"),
            id: ValueId(7),
        })
    }

    fn search(identity: &Identity) -> Option<EncryptAction> {
        Some(EncryptAction::Search(identity.long_id().into()))
    }

    #[test]
    fn a_value_for_known_keys_is_encrypted_at_once_and_announced_with_its_options() {
        let mut puts = EncryptedPuts::default();
        let mut keys = KeyCache::new(None, 4);
        keys.remember_key(bob().public_key());
        let to = [bob().long_id().into(), key(&carol()).into()];
        let action = puts.begin(OP, put(to), &mut keys);
        assert_eq!(action, encrypt([bob(), carol()]));
        let value = wire::pack_encrypted(&Draft::default(), ValueId(7), b"ciphertext");
        let Some(EncryptAction::Announce {
            key,
            value: announced,
            options,
        }) = puts.on_encrypted(OP, Ok(value.clone()))
        else {
            panic!("not announced");
        };
        assert_eq!((key, announced), (inbox().key, value));
        assert!(options.permanent);
        assert!(puts.0.is_empty());
    }

    #[test]
    fn missing_keys_are_searched_for_one_after_the_other() {
        let mut puts = EncryptedPuts::default();
        let mut keys = KeyCache::new(None, 4);
        let to = [alice(), bob(), carol()].map(|identity| identity.long_id().into());
        assert_eq!(puts.begin(OP, put(to), &mut keys), search(&carol()));
        let action = puts.on_key(OP, Ok(key(&carol())), &mut keys);
        assert_eq!(action, search(&bob()));
        // Meanwhile another search has found one.
        keys.remember_key(alice().public_key());
        let action = puts.on_key(OP, Ok(key(&bob())), &mut keys);
        assert_eq!(action, encrypt([alice(), bob(), carol()]));
    }

    #[test]
    fn a_recipient_named_twice_is_one() {
        let mut puts = EncryptedPuts::default();
        let mut keys = KeyCache::new(None, 4);
        let to = [key(&bob()).into(), bob().id().into(), key(&bob()).into()];
        let action = puts.begin(OP, put(to), &mut keys);
        assert_eq!(action, Some(EncryptAction::Search(bob().id().into())));
        let action = puts.on_key(OP, Ok(key(&bob())), &mut keys);
        assert_eq!(action, encrypt([bob()]));
    }

    #[test]
    fn a_put_fails_if_a_key_is_not_found_or_it_cannot_be_encrypted() {
        let mut puts = EncryptedPuts::default();
        let mut keys = KeyCache::new(None, 4);
        let to = [bob().long_id().into(), carol().long_id().into()];
        puts.begin(OP, put(to), &mut keys);
        let action = puts.on_key(OP, Err(PutError::NoCertificate), &mut keys);
        assert_eq!(action, Some(EncryptAction::Fail(PutError::NoCertificate)));
        assert_eq!(puts.on_key(OP, Ok(key(&carol())), &mut keys), None);

        puts.begin(OP, put([key(&bob()).into()]), &mut keys);
        let action = puts.on_encrypted(OP, Err(PutError::NotRsa));
        assert_eq!(action, Some(EncryptAction::Fail(PutError::NotRsa)));
        assert!(puts.0.is_empty());
    }

    #[test]
    fn a_cancelled_put_names_the_search_that_it_leaves() {
        let mut puts = EncryptedPuts::default();
        let mut keys = KeyCache::new(None, 4);
        let name = bob().long_id().into();
        puts.begin(OP, put([Recipient::Name(name)]), &mut keys);
        assert_eq!(puts.cancel(OP), Some(name));
        assert_eq!(puts.on_key(OP, Ok(key(&bob())), &mut keys), None);

        puts.begin(OP, put([Recipient::Name(name)]), &mut keys);
        puts.on_key(OP, Ok(key(&bob())), &mut keys);
        // It is being encrypted now.
        assert_eq!(puts.on_key(OP, Ok(key(&carol())), &mut keys), None);
        assert_eq!(puts.cancel(OP), None);
        assert_eq!(puts.on_encrypted(OP, Err(PutError::NotRsa)), None);
    }

    #[test]
    fn the_number_of_recipients_is_bounded() {
        for (count, is_good) in [(0, false), (1, true), (64, true), (65, false)] {
            let to = vec![Recipient::from(bob().long_id()); count];
            let refusal = Err(PutError::Recipients(count));
            let expected = if is_good { Ok(()) } else { refusal };
            assert_eq!(check_recipients(&to), expected);
        }
    }

    #[test]
    fn a_key_that_cannot_encrypt_is_refused() {
        let kind = KeyKind::Curve(Curve::P384);
        let erin = Identity::generate(&IdentityParams::new("erin", 0).kind(kind)).unwrap();
        let refusal = PutError::Encrypt(EncryptError::NotForEncryption(kind));
        let to = [key(&bob()).into(), key(&erin).into()];
        assert_eq!(check_recipients(&to), Err(refusal));
        assert_eq!(check_recipients(&to[..1]), Ok(()));
    }
}
