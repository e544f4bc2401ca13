//! [`Job`]: the only code of the DHT that does RSA, or reads keys and certificates of strangers.
//!
//! A job is plain data. [`Job::run`] does no I/O, never panics, and takes up to some milliseconds; run it wherever
//! there is a core to spare, and hand the [`Done`] back in any order.

use std::fmt;

use bulla_identity::{
    Certificate, CertificateChain, PrivateKey, PublicKey, SharedEnvelope, SignError,
};

use super::PutError;
use super::admission::{Lane, Ticket};
use super::key_cache::{KeyName, dht_keys};
use super::readers::{Readers, encrypt_for_all, open_shared};
use super::verdicts::{Digest, Verdict};
use crate::lookup::OpId;
use crate::node::{Check, CheckId};
use crate::value::policy::Proof;
use crate::value::{Content, Draft, Value, ValueId};
use crate::{InfoHash, wire};

/// Work for a core to spare.
#[must_use]
pub struct Job {
    pub(super) ticket: Ticket,
    /// Boxed, for the queue that jobs go through is made for datagrams.
    task: Box<Task>,
}

/// What came of a [`Job`]; for `SecureDht::handle_done`.
#[must_use]
pub struct Done {
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
}

/// What is to be done, and to whom the outcome is told.
pub(super) enum Task {
    /// Sign a value.
    Sign {
        op: OpId,
        key: PrivateKey,
        draft: Draft,
        id: ValueId,
        seq: u16,
    },
    /// Sign a value and encrypt it.
    Encrypt {
        op: OpId,
        key: PrivateKey,
        /// At least one.
        to: Vec<PublicKey>,
        draft: Draft,
        id: ValueId,
    },
    /// Verify a value's signature.
    Verify {
        digest: Digest,
        value: Value,
        /// The owner's key, if it has been read before.
        signer: Option<PublicKey>,
    },
    /// Open an encrypted value, and verify what is inside.
    Decrypt {
        digest: Digest,
        key: PrivateKey,
        value: Value,
    },
    /// Find the certificate of this name in a value.
    ReadCertificate { name: KeyName, value: Value },
    /// Prove what must hold of a value that is to be stored.
    Prove(Check),
}

/// What came of a [`Task`].
pub(super) enum Outcome {
    /// A value was made for a put, or could not be.
    Made {
        op: OpId,
        value: Result<Value, PutError>,
    },
    /// A value was judged.
    Judged { digest: Digest, verdict: Verdict },
    /// A value was read in search of a certificate.
    Read {
        name: KeyName,
        certificate: Option<Certificate>,
    },
    /// A proof holds, or does not.
    Proved { check: CheckId, holds: bool },
}

impl Job {
    pub(super) fn new(ticket: Ticket, task: Task) -> Self {
        let task = Box::new(task);
        Self { ticket, task }
    }

    /// Which jobs it goes before: all local ones go before any remote one.
    pub fn lane(&self) -> Lane {
        self.ticket.lane()
    }

    /// Does the work.
    pub fn run(self) -> Done {
        Done {
            ticket: self.ticket,
            outcome: self.task.run(),
        }
    }
}

impl Task {
    fn run(self) -> Outcome {
        match self {
            Self::Sign {
                op,
                key,
                draft,
                id,
                seq,
            } => Outcome::Made {
                op,
                value: sign(&key, &draft, id, seq),
            },
            Self::Encrypt {
                op,
                key,
                to,
                draft,
                id,
            } => Outcome::Made {
                op,
                value: encrypt(&key, &to, &draft, id),
            },
            Self::Verify {
                digest,
                value,
                signer,
            } => Outcome::Judged {
                digest,
                verdict: signer
                    .or_else(|| owner_of(&value))
                    .filter(|signer| has_signed(signer, &value))
                    .map_or(Verdict::Refused, Verdict::Signed),
            },
            Self::Decrypt { digest, key, value } => Outcome::Judged {
                digest,
                verdict: decrypt(&key, &value).unwrap_or(Verdict::Refused),
            },
            Self::ReadCertificate { name, value } => Outcome::Read {
                name,
                certificate: certificates_in(&value).and_then(|chain| {
                    let named = chain.iter().find(|certificate| name.names(certificate));
                    named.cloned()
                }),
            },
            Self::Prove(check) => Outcome::Proved {
                check: check.id,
                holds: holds(
                    check.proof,
                    check.key,
                    &check.value,
                    check.replaces.as_ref(),
                ),
            },
        }
    }
}

fn sign(key: &PrivateKey, draft: &Draft, id: ValueId, seq: u16) -> Result<Value, PutError> {
    let body = wire::pack_body(draft, key.public_key().to_der(), seq, None);
    let signature = key.sign(&body)?;
    // Only an empty signature could be refused here.
    wire::pack_signed(draft, id, &body, &signature).map_err(|_| PutError::Sign(SignError::Failed))
}

/// Signs and encrypts (`docs/spec/secure.md#4`).
fn encrypt(
    key: &PrivateKey,
    to: &[PublicKey],
    draft: &Draft,
    id: ValueId,
) -> Result<Value, PutError> {
    let [to] = to else {
        return encrypt_for_all(key, to, draft, id);
    };
    let recipient = InfoHash::new(*to.id().as_bytes());
    let ciphertext = to.encrypt(&sign_body(key, draft, 0, Some(recipient))?)?;
    Ok(wire::pack_encrypted(draft, id, &ciphertext))
}

/// Signs a body for its recipient; the result is what is encrypted.
pub(super) fn sign_body(
    key: &PrivateKey,
    draft: &Draft,
    seq: u16,
    to: Option<InfoHash>,
) -> Result<Vec<u8>, PutError> {
    let body = wire::pack_body(draft, key.public_key().to_der(), seq, to);
    let signature = key.sign(&body)?;
    Ok(wire::pack_envelope(&body, &signature))
}

/// The owner of a value whose signature holds.
pub(super) fn signer_of(value: &Value) -> Option<PublicKey> {
    owner_of(value).filter(|owner| has_signed(owner, value))
}

/// Who is said to have signed a value.
fn owner_of(value: &Value) -> Option<PublicKey> {
    PublicKey::from_der(value.signed()?.owner).ok()
}

/// Whether a value is of this owner, and its signature holds.
///
/// Differs: the owner must be given as canonical DER, as all write it. Others read PEM too and check the signature
/// over the same body with DER in it; but then one key could own values under several names.
fn has_signed(owner: &PublicKey, value: &Value) -> bool {
    value.signed().is_some_and(|signed| {
        owner.to_der() == signed.owner && owner.verify(signed.signed_bytes, signed.signature)
    })
}

/// Opens a value and applies the rules of `docs/spec/secure.md#4.2`.
fn decrypt(key: &PrivateKey, value: &Value) -> Option<Verdict> {
    let Content::Encrypted(ciphertext) = value.content() else {
        return None;
    };
    if SharedEnvelope::is_meant(ciphertext) {
        return open_shared(key, value, ciphertext);
    }
    let inner = wire::open_envelope(value, &key.decrypt(ciphertext).ok()?).ok()?;
    let recipient = inner.signed()?.to?;
    if recipient.as_bytes() != key.public_key().id().as_bytes() {
        return None;
    }
    let sender = signer_of(&inner)?;
    Some(Verdict::Opened(inner, sender, Readers::default()))
}

/// The owner's certificate and, if the chain is in order, those of its issuers.
fn certificates_in(value: &Value) -> Option<CertificateChain> {
    CertificateChain::from_bytes(value.data())
        .or_else(|_| Certificate::from_pem(value.data()).map(CertificateChain::from))
        .ok()
}

/// The store and edit rules for certificates (`docs/spec/secure.md#6.5`), and the one for
/// signatures.
fn holds(proof: Proof, key: InfoHash, value: &Value, replaces: Option<&Value>) -> bool {
    let owners = |value| Some(certificates_in(value)?.leaf().clone());
    let belongs_here = |certificate: &Certificate| {
        dht_keys(certificate.id(), certificate.long_id()).contains(&key)
    };
    match proof {
        Proof::Signature => signer_of(value).is_some(),
        Proof::Certificate => owners(value).is_some_and(|new| belongs_here(&new)),
        Proof::SameCertificateKey => owners(value)
            .filter(belongs_here)
            .zip(replaces.and_then(owners))
            .is_some_and(|(new, old)| new.long_id() == old.long_id()),
    }
}

impl fmt::Debug for Job {
    /// What it is about; neither contents nor keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = match &*self.task {
            Task::Sign { .. } => "sign",
            Task::Encrypt { .. } => "encrypt",
            Task::Verify { .. } => "verify",
            Task::Decrypt { .. } => "decrypt",
            Task::ReadCertificate { .. } => "read a certificate",
            Task::Prove(_) => "prove",
        };
        write!(f, "Job({task}, {:?})", self.lane())
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done({:?})", self.ticket.lane())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        alice, bob, carol, certificate_value, golden_values, identity, signed,
    };
    use super::*;

    fn is_send<T: Send + 'static>() {}

    #[test]
    fn jobs_can_go_to_any_thread() {
        is_send::<Job>();
        is_send::<Done>();
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
                let reader = identity(name, &vector.made_by);
                let opened = decrypt(reader.key(), &value);
                if name == vector.recipient {
                    let Some(Verdict::Opened(inner, sender, _)) = opened else {
                        panic!("{} does not open", vector.name);
                    };
                    assert_eq!(inner.id(), value.id());
                    assert_eq!(sender.id(), identity(&vector.signer, &vector.made_by).id());
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
        assert_eq!(
            (value.id(), value.seq(), value.data()),
            (ValueId(7), 3, &b"hello"[..])
        );
    }

    #[test]
    fn a_key_read_before_vouches_for_its_own_values_alone() {
        let judged = |value: Value| {
            let task = Task::Verify {
                digest: Digest::of_signed(&value.signed().unwrap()),
                signer: Some(alice().public_key().clone()),
                value,
            };
            match task.run() {
                Outcome::Judged { verdict, .. } => verdict,
                _ => panic!("another outcome"),
            }
        };
        let alices = Verdict::Signed(alice().public_key().clone());
        assert_eq!(judged(signed(&alice(), 1, 0, "hello")), alices);
        assert_eq!(judged(signed(&bob(), 1, 0, "hello")), Verdict::Refused);
    }

    #[test]
    fn what_is_encrypted_here_opens_here_and_keeps_the_outer_id() {
        let draft = Draft::from("hello").user_type("note");
        let value = encrypt(
            alice().key(),
            &[bob().public_key().clone()],
            &draft,
            ValueId(7),
        )
        .unwrap();
        let Some(Verdict::Opened(inner, sender, _)) = decrypt(bob().key(), &value) else {
            panic!("it does not open");
        };
        assert_eq!(&sender, alice().public_key());
        assert_eq!((inner.id(), inner.data()), (ValueId(7), &b"hello"[..]));
        assert_eq!(inner.user_type(), "note");
        assert_eq!(decrypt(carol().key(), &value), None);
    }

    #[test]
    fn a_letter_passed_on_to_a_third_does_not_open() {
        // Bob decrypts what Alice wrote to him, and encrypts it for Carol as if Alice had written to her.
        let draft = Draft::from("hello");
        let to_bob = InfoHash::new(*bob().id().as_bytes());
        let body = wire::pack_body(&draft, alice().public_key().to_der(), 0, Some(to_bob));
        let signature = alice().key().sign(&body).unwrap();
        let envelope = wire::pack_envelope(&body, &signature);
        let ciphertext = carol().public_key().encrypt(&envelope).unwrap();
        let value = wire::pack_encrypted(&draft, ValueId(1), &ciphertext);
        assert_eq!(decrypt(carol().key(), &value), None);
    }

    #[test]
    fn an_unsigned_letter_does_not_open() {
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
    }

    #[test]
    fn a_certificate_is_read_only_under_its_own_name() {
        let read = |name: KeyName| {
            let value = certificate_value(&alice());
            match (Task::ReadCertificate { name, value }).run() {
                Outcome::Read { certificate, .. } => certificate,
                _ => panic!("another outcome"),
            }
        };
        assert!(read(alice().long_id().into()).is_some());
        assert!(read(alice().id().into()).is_some());
        assert_eq!(read(bob().long_id().into()), None);
    }

    #[test]
    fn a_certificate_is_stored_under_an_id_of_its_key_alone() {
        let value = certificate_value(&alice());
        for key in dht_keys(alice().id(), alice().long_id()) {
            assert!(holds(Proof::Certificate, key, &value, None));
            assert!(holds(Proof::SameCertificateKey, key, &value, Some(&value)));
            let of_bob = certificate_value(&bob());
            assert!(!holds(Proof::Certificate, key, &of_bob, None));
            assert!(!holds(
                Proof::SameCertificateKey,
                key,
                &value,
                Some(&of_bob)
            ));
            assert!(!holds(Proof::SameCertificateKey, key, &value, None));
        }
        assert!(!holds(Proof::Certificate, InfoHash::of(b"x"), &value, None));
        let other = wire::pack(&Draft::from("no certificate"), ValueId(1));
        assert!(!holds(Proof::Certificate, InfoHash::of(b"x"), &other, None));
    }

    #[test]
    fn a_signature_is_proved() {
        let value = signed(&alice(), 1, 0, "hello");
        assert!(holds(Proof::Signature, InfoHash::ZERO, &value, None));
        let clear = wire::pack(&Draft::from("hello"), ValueId(1));
        assert!(!holds(Proof::Signature, InfoHash::ZERO, &clear, None));
    }

    #[test]
    fn debug_shows_neither_contents_nor_keys() {
        let task = Task::Sign {
            op: OpId(1),
            key: alice().key().clone(),
            draft: Draft::from("secret"),
            id: ValueId(1),
            seq: 0,
        };
        let job = Job::new(Ticket::Step, task);
        assert_eq!(format!("{job:?}"), "Job(sign, Local)");
        assert_eq!(format!("{:?}", job.run()), "Done(Local)");
    }
}
