//! [`Readers`]: for whom a value is encrypted, if for several
//! (`docs/DIFFERENCES.md`, "Values for several recipients").
//!
//! ```text
//! plaintext = number of readers 1 | their long ids, ascending, 32 each | { "body", "sig" }
//! to        = the first 20 bytes of SHA-256("bulla readers 1" | their long ids)            in `body`, hence signed
//! ```
//!
//! The signature covers the readers, so none of them can address a value to somebody else in the sender's name.

use std::sync::Arc;

use bulla_identity::{LongKeyId, MAX_RECIPIENTS, PrivateKey, PublicKey, SharedEnvelope};
use sha2::{Digest, Sha256};

use super::PutError;
use super::job::{sign_body, signer_of};
use super::verdicts::Verdict;
use crate::value::{Draft, Value, ValueId};
use crate::{InfoHash, wire};

/// The long ids of two readers or more, ascending; or of none, if a value is for one alone.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Readers(Arc<[LongKeyId]>);

impl Readers {
    pub(super) fn ids(&self) -> &[LongKeyId] {
        &self.0
    }

    fn of(keys: &[PublicKey]) -> Self {
        let mut ids: Vec<_> = keys.iter().map(PublicKey::long_id).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }

    /// What stands for them where a value names its recipient.
    fn digest(&self) -> InfoHash {
        let mut hash = Sha256::new_with_prefix(b"bulla readers 1");
        for id in self.ids() {
            hash.update(id.as_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let mut digest = [0; InfoHash::LEN];
        digest.copy_from_slice(&hash[..InfoHash::LEN]);
        InfoHash::new(digest)
    }

    fn pack(&self) -> Vec<u8> {
        let mut packed = vec![self.0.len() as u8];
        for id in self.ids() {
            packed.extend(id.as_bytes());
        }
        packed
    }

    /// Reads what [`Readers::pack`] writes; the rest is what they read.
    fn unpack(plaintext: &[u8]) -> Option<(Self, &[u8])> {
        let (&count, rest) = plaintext.split_first()?;
        let (ids, rest) = rest.split_at_checked(usize::from(count) * 32)?;
        let (ids, _) = ids.as_chunks();
        let ids: Vec<_> = ids.iter().copied().map(LongKeyId::from_bytes).collect();
        let is_canonical =
            (2..=MAX_RECIPIENTS).contains(&ids.len()) && ids.is_sorted_by(|a, b| a < b);
        is_canonical.then_some((Self(ids.into()), rest))
    }
}

/// Signs a value for several readers, and encrypts it for all of them at once.
pub(super) fn encrypt_for_all(
    key: &PrivateKey,
    to: &[PublicKey],
    draft: &Draft,
    id: ValueId,
) -> Result<Value, PutError> {
    let readers = Readers::of(to);
    let mut plaintext = readers.pack();
    plaintext.extend(sign_body(key, draft, 0, Some(readers.digest()))?);
    let ciphertext = SharedEnvelope::seal(to, &plaintext)?;
    Ok(wire::pack_encrypted(draft, id, &ciphertext))
}

/// Opens a value for several readers: `key` must be of one of those that the signature covers.
pub(super) fn open_shared(key: &PrivateKey, value: &Value, ciphertext: &[u8]) -> Option<Verdict> {
    let plaintext = SharedEnvelope::parse(ciphertext)?.open(key).ok()?;
    let (readers, envelope) = Readers::unpack(&plaintext)?;
    let inner = wire::open_envelope(value, envelope).ok()?;
    let is_for_us = readers.ids().contains(&key.public_key().long_id());
    if !is_for_us || inner.signed()?.to? != readers.digest() {
        return None;
    }
    let sender = signer_of(&inner)?;
    Some(Verdict::Opened(inner, sender, readers))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, carol};
    use super::*;
    use crate::ValueType;

    /// Made from the description by an independent program: by Alice, for Bob and Carol.
    const GOLDEN: &str = include_str!("../../../tests/vectors/shared_value.hex");

    fn keys<const N: usize>(identities: [bulla_identity::Identity; N]) -> Vec<PublicKey> {
        let keys = identities.iter().map(bulla_identity::Identity::public_key);
        keys.cloned().collect()
    }

    fn open(value: &Value, reader: &PrivateKey) -> Option<Verdict> {
        match value.content() {
            crate::Content::Encrypted(ciphertext) => open_shared(reader, value, ciphertext),
            _ => None,
        }
    }

    /// A value that says it is for `named`, and is encrypted for `wrapped`.
    fn rewrapped(named: &Readers, to: InfoHash, wrapped: &[PublicKey]) -> Value {
        let draft = Draft::from("hello");
        let mut plaintext = named.pack();
        plaintext.extend(sign_body(alice().key(), &draft, 0, Some(to)).unwrap());
        let ciphertext = SharedEnvelope::seal(wrapped, &plaintext).unwrap();
        wire::pack_encrypted(&draft, ValueId(1), &ciphertext)
    }

    #[test]
    fn the_form_is_that_of_the_documentation() {
        let value = wire::unpack(&hex::decode(GOLDEN.trim()).unwrap()).unwrap();
        for reader in [bob(), carol()] {
            let Some(Verdict::Opened(inner, sender, readers)) = open(&value, reader.key()) else {
                panic!("it does not open");
            };
            assert_eq!(
                (inner.id(), inner.data()),
                (ValueId(42), &b"to both of you"[..])
            );
            assert_eq!(
                (inner.value_type(), &*inner.user_type()),
                (ValueType::USER_DATA, "note")
            );
            assert_eq!(&sender, alice().public_key());
            assert_eq!(readers, Readers::of(&keys([carol(), bob()])));
        }
        assert_eq!(open(&value, alice().key()), None);
    }

    #[test]
    fn a_value_opens_for_its_readers_alone() {
        let to = keys([carol(), bob(), bob()]);
        let value = encrypt_for_all(alice().key(), &to, &Draft::from("hello"), ValueId(7)).unwrap();
        for reader in [bob(), carol()] {
            assert!(matches!(
                open(&value, reader.key()),
                Some(Verdict::Opened(..))
            ));
        }
        assert_eq!(open(&value, alice().key()), None);
    }

    #[test]
    fn a_reader_cannot_pass_a_value_on_in_the_name_of_the_sender() {
        let meant = Readers::of(&keys([alice(), bob()]));
        let with_carol = Readers::of(&keys([bob(), carol()]));
        let to_carol = keys([bob(), carol()]);
        // Carol is not among those it names.
        let value = rewrapped(&meant, meant.digest(), &to_carol);
        assert_eq!(open(&value, carol().key()), None);
        // She is, but that is not what Alice signed.
        let value = rewrapped(&with_carol, meant.digest(), &to_carol);
        assert_eq!(open(&value, carol().key()), None);
        let of_bob_alone = InfoHash::new(*bob().id().as_bytes());
        let value = rewrapped(&with_carol, of_bob_alone, &to_carol);
        assert_eq!(open(&value, carol().key()), None);
        // Had she signed that, it would open.
        let value = rewrapped(&with_carol, with_carol.digest(), &to_carol);
        assert!(open(&value, carol().key()).is_some());
    }

    #[test]
    fn readers_are_read_in_their_one_form_only() {
        let readers = Readers::of(&keys([bob(), carol()]));
        let packed = readers.pack();
        let (read, rest) = Readers::unpack(&packed).unwrap();
        assert_eq!((read, rest), (readers.clone(), &[][..]));
        assert_eq!(Readers::unpack(&packed[..64]), None);
        let reversed = [&[2], &packed[33..], &packed[1..33]].concat();
        assert_eq!(Readers::unpack(&reversed), None);
        let twice = [&[2], &packed[1..33], &packed[1..33]].concat();
        assert_eq!(Readers::unpack(&twice), None);
        assert_eq!(Readers::unpack(&[]), None);
        assert_eq!(Readers::unpack(&[0]), None);
        assert_eq!(Readers::unpack(&[&[1], &packed[1..33]].concat()), None);
        let many: Vec<u8> = (0..65u8).flat_map(|i| [i; 32]).collect();
        assert_eq!(Readers::unpack(&[&[65][..], &many].concat()), None);
        assert!(Readers::unpack(&[&[64][..], &many].concat()).is_some());
    }
}
