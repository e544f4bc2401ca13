//! [`SharedEnvelope`]: one ciphertext that several keys open.
//!
//! ```text
//! envelope = header | IV 12 | AES-256-GCM ciphertext | tag 16
//! header   = magic 16 | number of slots 1 | salt 16 | slots
//! slot     = hint 2 | length 2 | the secret, RSA-encrypted to a recipient
//! hint     = the first 2 bytes of SHA-256("bulla shared hint 1" | salt | the recipient's long id)
//! AES key  = SHA-256("bulla shared key 1" | secret 32 | SHA-256(header))
//! ```
//!
//! Numbers are big-endian.
//!
//! Slots stand in strictly ascending order of their hints: so a recipient has one to try at most,
//! and their order reveals nothing. The AES key depends on the whole header, so nothing in it can
//! be changed, not even what is for others.
//!
//! The magic begins with eight bytes of ones. An envelope for a single recipient begins with a
//! number below the recipient's modulus, which is smaller than that but for one key in 2^64:
//! neither form is taken for the other, by older implementations either.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{DecryptError, EncryptError};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use crate::rsa_key::KEY_BITS;
use crate::{random, symmetric};

/// The most recipients that an envelope is for.
pub const MAX_RECIPIENTS: usize = 64;

const MIN_RECIPIENTS: usize = 2;
const MAGIC: &[u8; 16] = b"\xff\xff\xff\xff\xff\xff\xff\xffbulla/s1";
const SALT: usize = 16;
const SECRET: usize = 32;

/// How many salts are tried for one under which all hints differ: with 64 recipients, one salt in
/// thirty fails.
const DRAWS: usize = 64;

/// An envelope for 2 to [`MAX_RECIPIENTS`] recipients, not yet open.
///
/// It shows how many recipients there are and how long their keys are. With a public key anyone can
/// find out that its holder is surely not among the recipients, or most likely is: the hint of a
/// key that is not fits by chance in one of a thousand envelopes for 64.
#[derive(Debug)]
pub struct SharedEnvelope<'a> {
    header: &'a [u8],
    salt: &'a [u8; SALT],
    slots: Vec<RecipientSlot<'a>>,
    sealed: &'a [u8],
}

#[derive(Debug)]
struct RecipientSlot<'a> {
    hint: u16,
    block: &'a [u8],
}

impl<'a> SharedEnvelope<'a> {
    /// Encrypts for the holders of these keys, of which two are the same if they are equal.
    ///
    /// Costs one RSA encryption for each; the result is 61 bytes longer than the plaintext, and a
    /// modulus and 4 bytes for each.
    ///
    /// # Errors
    /// [`EncryptError::Recipients`] for fewer than 2 or more than [`MAX_RECIPIENTS`] different
    /// keys; [`EncryptError::Empty`]; [`EncryptError::NoRandomness`]; [`EncryptError::Refused`] if
    /// a key does not work.
    pub fn seal(recipients: &[PublicKey], plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
        let mut recipients: Vec<_> = recipients.iter().collect();
        recipients.sort_by_key(|recipient| recipient.long_id());
        recipients.dedup();
        let count = u8::try_from(recipients.len())
            .ok()
            .filter(|count| (MIN_RECIPIENTS..=MAX_RECIPIENTS).contains(&usize::from(*count)))
            .ok_or(EncryptError::Recipients(recipients.len()))?;
        let salt = salt_for(&recipients)?;
        recipients.sort_by_key(|recipient| hint(&salt, recipient));

        let secret = random::bytes::<SECRET>()?;
        let mut envelope = [&MAGIC[..], &[count], &salt].concat();
        for recipient in recipients {
            let block = recipient.encrypt(&*secret)?;
            let length = u16::try_from(block.len()).map_err(|_| EncryptError::Refused)?;
            envelope.extend(hint(&salt, recipient).to_be_bytes());
            envelope.extend(length.to_be_bytes());
            envelope.extend(block);
        }
        let key = aes_key(&secret, &envelope);
        envelope.extend(symmetric::encrypt_with_key(&*key, plaintext)?);
        Ok(envelope)
    }

    /// Reports whether a ciphertext is meant to be of this form.
    #[must_use]
    pub fn is_meant(ciphertext: &[u8]) -> bool {
        ciphertext.starts_with(MAGIC)
    }

    /// Reads the header; `None` if it is malformed. No cryptography is done.
    pub fn parse(ciphertext: &'a [u8]) -> Option<Self> {
        let rest = ciphertext.strip_prefix(MAGIC)?;
        let (&count, rest) = rest.split_first()?;
        if !(MIN_RECIPIENTS..=MAX_RECIPIENTS).contains(&usize::from(count)) {
            return None;
        }
        let (salt, mut rest) = rest.split_first_chunk::<SALT>()?;
        let mut slots: Vec<RecipientSlot<'_>> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (slot, after) = RecipientSlot::read(rest)?;
            if slots.last().is_some_and(|last| last.hint >= slot.hint) {
                return None;
            }
            slots.push(slot);
            rest = after;
        }
        let (header, sealed) = ciphertext.split_at_checked(ciphertext.len() - rest.len())?;
        Some(Self {
            header,
            salt,
            slots,
            sealed,
        })
    }

    /// Reports whether this key may be a recipient's. Costs one hash.
    #[must_use]
    pub fn may_be_for(&self, recipient: &PublicKey) -> bool {
        self.block_of(recipient).is_some()
    }

    /// Decrypts, with one RSA operation at most.
    ///
    /// # Errors
    /// [`DecryptError`], which never says why.
    pub fn open(&self, recipient: &PrivateKey) -> Result<Vec<u8>, DecryptError> {
        let block = self.block_of(recipient.public_key()).ok_or(DecryptError)?;
        let stand_in = random::bytes::<SECRET>().map_err(|_| DecryptError)?;
        let secret = Zeroizing::new(recipient.decrypt(block)?);
        // Wrong padding yields some message: it fails as late as a right one of another envelope.
        let secret = match <[u8; SECRET]>::try_from(&secret[..]) {
            Ok(secret) => Zeroizing::new(secret),
            Err(_) => stand_in,
        };
        symmetric::decrypt_with_key(&*aes_key(&secret, self.header), self.sealed)
    }

    fn block_of(&self, recipient: &PublicKey) -> Option<&'a [u8]> {
        let hint = hint(self.salt, recipient);
        let at = self.slots.binary_search_by_key(&hint, |slot| slot.hint);
        let block = self.slots.get(at.ok()?)?.block;
        (block.len() == recipient.bits().div_ceil(8)).then_some(block)
    }
}

impl<'a> RecipientSlot<'a> {
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (hint, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let of_a_key = KEY_BITS.start().div_ceil(8)..=KEY_BITS.end().div_ceil(8);
        let (block, rest) = rest.split_at_checked(length)?;
        let hint = u16::from_be_bytes(*hint);
        of_a_key
            .contains(&length)
            .then_some((Self { hint, block }, rest))
    }
}

/// Returns a salt under which all hints differ.
fn salt_for(recipients: &[&PublicKey]) -> Result<[u8; SALT], EncryptError> {
    for _ in 0..DRAWS {
        let salt = *random::bytes::<SALT>()?;
        let mut hints: Vec<_> = recipients
            .iter()
            .map(|recipient| hint(&salt, recipient))
            .collect();
        hints.sort_unstable();
        hints.dedup();
        if hints.len() == recipients.len() {
            return Ok(salt);
        }
    }
    Err(EncryptError::Refused)
}

fn hint(salt: &[u8; SALT], recipient: &PublicKey) -> u16 {
    let hash: [u8; 32] = Sha256::new_with_prefix(b"bulla shared hint 1")
        .chain_update(salt)
        .chain_update(recipient.long_id().as_bytes())
        .finalize()
        .into();
    u16::from_be_bytes([hash[0], hash[1]])
}

fn aes_key(secret: &[u8; SECRET], header: &[u8]) -> Zeroizing<[u8; 32]> {
    let hash = Sha256::new_with_prefix(b"bulla shared key 1")
        .chain_update(secret)
        .chain_update(Sha256::digest(header))
        .finalize();
    Zeroizing::new(hash.into())
}
