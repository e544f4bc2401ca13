//! What is done with keys: values are signed and verified, encrypted and decrypted
//! (`docs/spec/secure.md#3`, `docs/spec/secure.md#4`).
//!
//! All of it costs up to some milliseconds, so only a [`Job`](super::Job) calls it.

use bulla_identity::{PrivateKey, PublicKey, SharedEnvelope, SignError};

use super::error::SecurePutError;
use super::recipients::Recipients;
use crate::value::{Content, Draft, Value, ValueId};
use crate::{InfoHash, wire};

/// What was inside an encrypted value for us, with a signature that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opened {
    /// The signed value, with the id of the encrypted one.
    pub(super) inner: Value,
    /// The key by which it is signed.
    pub(super) sender: PublicKey,
    /// All that it is encrypted for, if they are several.
    pub(super) recipients: Recipients,
}

/// Makes a signed value.
pub(super) fn sign(
    key: &PrivateKey,
    draft: &Draft,
    id: ValueId,
    seq: u16,
) -> Result<Value, SecurePutError> {
    let body = wire::pack_body(draft, key.public_key().to_der(), seq, None);
    let signature = key.sign(&body)?;
    // Only an empty signature could be refused here.
    wire::pack_signed(draft, id, &body, &signature)
        .map_err(|_| SecurePutError::Sign(SignError::Failed))
}

/// Returns the owner of a value if its signature holds.
pub(super) fn signer_of(value: &Value) -> Option<PublicKey> {
    let owner = PublicKey::from_der(value.signed()?.owner).ok()?;
    has_signed(&owner, value).then_some(owner)
}

/// Reports whether a value is of this owner and its signature holds.
///
/// Differs: the owner must be given as canonical DER, as all write it. Others read PEM too and
/// check the signature over the same body with DER in it; but then one key could own values under
/// several names.
pub(super) fn has_signed(owner: &PublicKey, value: &Value) -> bool {
    value.signed().is_some_and(|signed| {
        owner.to_der() == signed.owner && owner.verify(signed.signed_bytes, signed.signature)
    })
}

/// Makes an encrypted value, signed inside. There is at least one recipient, and none twice.
pub(super) fn encrypt(
    key: &PrivateKey,
    recipients: &[PublicKey],
    draft: &Draft,
    id: ValueId,
) -> Result<Value, SecurePutError> {
    let ciphertext = match recipients {
        [only] => only.encrypt(&sign_envelope(key, draft, short_id(only))?)?,
        several => {
            let recipients = Recipients::of(several);
            let mut plaintext = recipients.pack();
            plaintext.extend(sign_envelope(key, draft, recipients.digest())?);
            SharedEnvelope::seal(several, &plaintext)?
        }
    };
    Ok(wire::pack_encrypted(draft, id, &ciphertext))
}

/// Opens an encrypted value and applies the rules of `docs/spec/secure.md#4.2`.
pub(super) fn decrypt(key: &PrivateKey, value: &Value) -> Option<Opened> {
    let Content::Encrypted(ciphertext) = value.content() else {
        return None;
    };
    if SharedEnvelope::is_meant(ciphertext) {
        return decrypt_shared(key, value, ciphertext);
    }
    let envelope = key.decrypt(ciphertext).ok()?;
    let us = short_id(key.public_key());
    open_envelope(value, &envelope, us, Recipients::default())
}

/// Opens a value for several recipients: `key` must be of one of those that the signature covers.
fn decrypt_shared(key: &PrivateKey, value: &Value, ciphertext: &[u8]) -> Option<Opened> {
    let plaintext = SharedEnvelope::parse(ciphertext)?.open(key).ok()?;
    let (recipients, envelope) = Recipients::unpack(&plaintext)?;
    if !recipients.ids().contains(&key.public_key().long_id()) {
        return None;
    }
    open_envelope(value, envelope, recipients.digest(), recipients)
}

/// Reads what was encrypted; it must be signed, and signed for `to`.
fn open_envelope(
    value: &Value,
    envelope: &[u8],
    to: InfoHash,
    recipients: Recipients,
) -> Option<Opened> {
    let inner = wire::open_envelope(value, envelope).ok()?;
    if inner.signed()?.to? != to {
        return None;
    }
    let sender = signer_of(&inner)?;
    Some(Opened {
        inner,
        sender,
        recipients,
    })
}

/// Signs a body for its recipient; the result is what is encrypted.
fn sign_envelope(key: &PrivateKey, draft: &Draft, to: InfoHash) -> Result<Vec<u8>, SecurePutError> {
    let body = wire::pack_body(draft, key.public_key().to_der(), 0, Some(to));
    let signature = key.sign(&body)?;
    Ok(wire::pack_envelope(&body, &signature))
}

/// Returns the short id of a key, for the recipient field of a value.
fn short_id(key: &PublicKey) -> InfoHash {
    InfoHash::new(*key.id().as_bytes())
}

#[cfg(test)]
mod tests {
    use bulla_identity::Identity;

    use super::super::testing::{alice, bob, carol, golden_values, identity};
    use super::*;
    use crate::value::ValueType;

    /// Made from the description by an independent program: by Alice, for Bob and Carol.
    const SHARED: &str = include_str!("../../../tests/vectors/shared_value.hex");

    fn keys<const N: usize>(identities: [Identity; N]) -> Vec<PublicKey> {
        identities
            .map(|identity| identity.public_key().clone())
            .into()
    }

    fn encrypted_for<const N: usize>(identities: [Identity; N], text: &str) -> Value {
        let draft = Draft::from(text).user_type("note");
        encrypt(alice().key(), &keys(identities), &draft, ValueId(7)).unwrap()
    }

    /// A value that says it is for `named`, is signed for `to`, and is encrypted for `wrapped`.
    fn rewrapped(named: &Recipients, to: InfoHash, wrapped: &[PublicKey]) -> Value {
        let draft = Draft::from("hello");
        let mut plaintext = named.pack();
        plaintext.extend(sign_envelope(alice().key(), &draft, to).unwrap());
        let ciphertext = SharedEnvelope::seal(wrapped, &plaintext).unwrap();
        wire::pack_encrypted(&draft, ValueId(1), &ciphertext)
    }

    #[test]
    fn signatures_by_opendht_hold_and_tampered_ones_do_not() {
        let mut counts = (0, 0);
        for vector in golden_values() {
            let Some(expected) = vector.expected.strip_prefix("signature ") else {
                continue;
            };
            // A damaged value may be unreadable altogether.
            let signer = wire::unpack(&vector.bytes)
                .ok()
                .and_then(|value| signer_of(&value));
            if expected == "valid" {
                assert_eq!(
                    signer.map(|key| key.id()),
                    Some(identity(&vector.signer, &vector.made_by).id()),
                    "{}",
                    vector.name
                );
                counts.0 += 1;
            } else {
                assert_eq!(signer, None, "{}", vector.name);
                counts.1 += 1;
            }
        }
        assert!(counts.0 >= 6 && counts.1 >= 8, "{counts:?}");
    }

    #[test]
    fn values_encrypted_by_opendht_open_for_their_recipient_alone() {
        let mut count = 0;
        for vector in golden_values() {
            if vector.recipient.is_empty() {
                continue;
            }
            let value = wire::unpack(&vector.bytes).unwrap();
            for name in ["alice", "bob", "carol"] {
                let opened = decrypt(identity(name, &vector.made_by).key(), &value);
                if name == vector.recipient {
                    let opened = opened.unwrap();
                    assert_eq!(opened.inner.id(), value.id());
                    let signer = identity(&vector.signer, &vector.made_by).id();
                    assert_eq!(opened.sender.id(), signer);
                } else {
                    assert_eq!(opened, None, "{} opens for {name}", vector.name);
                }
            }
            count += 1;
        }
        assert!(count >= 4, "{count}");
    }

    #[test]
    fn what_is_signed_here_verifies_here() {
        let value = sign(alice().key(), &Draft::from("hello"), ValueId(7), 3).unwrap();
        assert_eq!(signer_of(&value).as_ref(), Some(alice().public_key()));
        assert!(has_signed(alice().public_key(), &value));
        assert!(!has_signed(bob().public_key(), &value));
        assert_eq!(
            (value.id(), value.seq(), value.data()),
            (ValueId(7), 3, &b"hello"[..])
        );
    }

    #[test]
    fn what_is_encrypted_here_opens_here_and_keeps_the_outer_id() {
        let value = encrypted_for([bob()], "hello");
        let opened = decrypt(bob().key(), &value).unwrap();
        assert_eq!(&opened.sender, alice().public_key());
        let inner = opened.inner;
        assert_eq!((inner.id(), inner.data()), (ValueId(7), &b"hello"[..]));
        assert_eq!((&*inner.user_type(), inner.seq()), ("note", 0));
        assert_eq!(decrypt(carol().key(), &value), None);
    }

    #[test]
    fn what_is_not_encrypted_does_not_open() {
        let value = sign(bob().key(), &Draft::from("hello"), ValueId(7), 0).unwrap();
        assert_eq!(decrypt(bob().key(), &value), None);
    }

    #[test]
    fn a_value_passed_on_to_a_third_key_does_not_open() {
        // Bob decrypts a value from Alice, and encrypts it for Carol as if Alice had written
        // to her.
        let draft = Draft::from("hello");
        let to_bob = short_id(bob().public_key());
        let envelope = sign_envelope(alice().key(), &draft, to_bob).unwrap();
        let ciphertext = carol().public_key().encrypt(&envelope).unwrap();
        let value = wire::pack_encrypted(&draft, ValueId(1), &ciphertext);
        assert_eq!(decrypt(carol().key(), &value), None);
    }

    #[test]
    fn an_unsigned_value_does_not_open() {
        let ciphertext = bob()
            .public_key()
            .encrypt(b"\x81\xa4body\x82\xa4type\x00\xa4data\xc4\x02hi")
            .unwrap();
        let value = wire::pack_encrypted(&Draft::default(), ValueId(1), &ciphertext);
        assert_eq!(decrypt(bob().key(), &value), None);
    }

    #[test]
    fn an_owner_in_another_encoding_is_refused() {
        let draft = Draft::from("hello");
        let body = wire::pack_body(&draft, alice().public_key().to_pem().as_bytes(), 0, None);
        let signature = alice().key().sign(&body).unwrap();
        let value = wire::pack_signed(&draft, ValueId(1), &body, &signature).unwrap();
        assert_eq!(signer_of(&value), None);
        assert!(!has_signed(alice().public_key(), &value));
    }

    #[test]
    fn the_form_for_several_recipients_is_that_of_the_documentation() {
        let value = wire::unpack(&hex::decode(SHARED.trim()).unwrap()).unwrap();
        for recipient in [bob(), carol()] {
            let opened = decrypt(recipient.key(), &value).unwrap();
            let inner = opened.inner;
            assert_eq!(
                (inner.id(), inner.data()),
                (ValueId(42), &b"to both of you"[..])
            );
            assert_eq!(
                (inner.value_type(), &*inner.user_type()),
                (ValueType::USER_DATA, "note")
            );
            assert_eq!(&opened.sender, alice().public_key());
            assert_eq!(opened.recipients, Recipients::of(&keys([carol(), bob()])));
        }
        assert_eq!(decrypt(alice().key(), &value), None);
    }

    #[test]
    fn a_value_for_several_recipients_opens_for_them_alone() {
        let value = encrypted_for([carol(), bob(), bob()], "hello");
        for recipient in [bob(), carol()] {
            let opened = decrypt(recipient.key(), &value).unwrap();
            assert_eq!(opened.inner.data(), b"hello");
        }
        assert_eq!(decrypt(alice().key(), &value), None);
    }

    #[test]
    fn a_recipient_cannot_pass_a_value_on_in_the_name_of_the_sender() {
        let meant = Recipients::of(&keys([alice(), bob()]));
        let with_carol = Recipients::of(&keys([bob(), carol()]));
        let to_carol = keys([bob(), carol()]);
        // Carol is not among those it names.
        let value = rewrapped(&meant, meant.digest(), &to_carol);
        assert_eq!(decrypt(carol().key(), &value), None);
        // It names her, but that is not what Alice signed.
        let value = rewrapped(&with_carol, meant.digest(), &to_carol);
        assert_eq!(decrypt(carol().key(), &value), None);
        let of_bob_alone = short_id(bob().public_key());
        let value = rewrapped(&with_carol, of_bob_alone, &to_carol);
        assert_eq!(decrypt(carol().key(), &value), None);
        // Had Alice signed that, it would open.
        let value = rewrapped(&with_carol, with_carol.digest(), &to_carol);
        assert!(decrypt(carol().key(), &value).is_some());
    }
}
