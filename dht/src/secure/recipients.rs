//! [`Recipients`]: the keys that a value is encrypted for, if they are several
//! (`docs/DIFFERENCES.md`, "Values for several recipients").
//!
//! ```text
//! plaintext = number of recipients 1 | their long ids, ascending, 32 each | { "body", "sig" }
//! to        = the first 20 bytes of SHA-256("bulla readers 1" | their long ids)
//! ```
//!
//! `to` stands in `body`, so the signature covers the recipients: none of them can address a value
//! to another key in the sender's name.

use std::sync::Arc;

use bulla_identity::{LongKeyId, MAX_RECIPIENTS, PublicKey};
use sha2::{Digest as _, Sha256};

use crate::InfoHash;

/// The long ids of two recipients or more, ascending; or of none, if a value is for one alone.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Recipients(Arc<[LongKeyId]>);

impl Recipients {
    /// Lists the holders of these keys, each once.
    pub(super) fn of(keys: &[PublicKey]) -> Self {
        let mut ids: Vec<_> = keys.iter().map(PublicKey::long_id).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }

    /// Returns their long ids.
    pub(super) fn ids(&self) -> &[LongKeyId] {
        &self.0
    }

    /// Computes the digest that stands for them in the recipient field of a value.
    pub(super) fn digest(&self) -> InfoHash {
        let mut hash = Sha256::new_with_prefix(b"bulla readers 1");
        for id in self.ids() {
            hash.update(id.as_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let mut digest = [0; InfoHash::LEN];
        digest.copy_from_slice(&hash[..InfoHash::LEN]);
        InfoHash::new(digest)
    }

    /// Writes the list as it stands before the body.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut packed = vec![self.0.len() as u8];
        for id in self.ids() {
            packed.extend(id.as_bytes());
        }
        packed
    }

    /// Reads what [`Recipients::pack`] writes, and returns it with what follows.
    pub(super) fn unpack(plaintext: &[u8]) -> Option<(Self, &[u8])> {
        let (&count, rest) = plaintext.split_first()?;
        let (ids, rest) = rest.split_at_checked(usize::from(count) * 32)?;
        let (ids, _) = ids.as_chunks();
        let ids: Vec<_> = ids.iter().copied().map(LongKeyId::from_bytes).collect();
        let is_canonical =
            (2..=MAX_RECIPIENTS).contains(&ids.len()) && ids.is_sorted_by(|a, b| a < b);
        is_canonical.then_some((Self(ids.into()), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bob, carol};
    use super::*;

    #[test]
    fn recipients_are_read_in_their_one_form_only() {
        let recipients =
            Recipients::of(&[bob().public_key().clone(), carol().public_key().clone()]);
        let packed = recipients.pack();
        let followed = [&packed[..], b"more"].concat();
        let (read, rest) = Recipients::unpack(&followed).unwrap();
        assert_eq!((read, rest), (recipients.clone(), &b"more"[..]));
        assert_eq!(Recipients::unpack(&packed[..64]), None);
        let reversed = [&[2], &packed[33..], &packed[1..33]].concat();
        assert_eq!(Recipients::unpack(&reversed), None);
        let twice = [&[2], &packed[1..33], &packed[1..33]].concat();
        assert_eq!(Recipients::unpack(&twice), None);
        assert_eq!(Recipients::unpack(&[]), None);
        assert_eq!(Recipients::unpack(&[0]), None);
        assert_eq!(Recipients::unpack(&[&[1], &packed[1..33]].concat()), None);
        let many: Vec<u8> = (0..65u8).flat_map(|i| [i; 32]).collect();
        assert_eq!(Recipients::unpack(&[&[65][..], &many].concat()), None);
        assert!(Recipients::unpack(&[&[64][..], &many].concat()).is_some());
    }

    #[test]
    fn the_order_and_number_of_the_same_keys_make_no_difference() {
        let [bob, carol] = [bob(), carol()].map(|identity| identity.public_key().clone());
        let one = Recipients::of(&[bob.clone(), carol.clone()]);
        let other = Recipients::of(&[carol.clone(), bob.clone(), carol]);
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.ids().len(), 2);
        assert_ne!(one.digest(), Recipients::of(&[bob]).digest());
    }
}
