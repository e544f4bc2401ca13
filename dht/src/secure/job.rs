//! [`Job`]: the only code of the DHT that does RSA, or reads keys and certificates of other nodes.
//!
//! A job is plain data. [`Job::run`] does no I/O and takes up to some milliseconds; run it wherever
//! there is a core to spare, and hand the [`Done`] back in any order.

use std::fmt;

use bulla_identity::{Certificate, CertificateChain, PrivateKey, PublicKey};

use super::admission::{Lane, Ticket};
use super::error::SecurePutError;
use super::key_cache::{KeyName, dht_keys};
use super::signing::{decrypt, encrypt, has_signed, sign, signer_of};
use super::verdicts::{Digest, Verdict};
use crate::InfoHash;
use crate::lookup::OpId;
use crate::node::{Check, CheckId};
use crate::value::policy::Proof;
use crate::value::{Draft, Value, ValueId};

/// CPU-bound work, to be run on any core.
#[must_use]
pub struct Job {
    /// Its admission, which goes back with its outcome.
    ticket: Ticket,
    /// Boxed, for the queue that jobs go through is made for datagrams.
    task: Box<Task>,
}

/// What came of a [`Job`]; for `SecureDht::handle_done`.
#[must_use]
pub struct Done {
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
}

/// What is to be done, and what it is done for.
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
        recipients: Vec<PublicKey>,
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
        value: Result<Value, SecurePutError>,
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

    /// Returns which jobs it goes before: all local ones go before any remote one.
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

    /// Returns what is to be handed in should the work be broken off by a panic: a put fails, and a
    /// value of another node counts as refused.
    pub fn failed(&self) -> Done {
        Done {
            ticket: self.ticket.clone(),
            outcome: self.task.failed(),
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
                recipients,
                draft,
                id,
            } => Outcome::Made {
                op,
                value: encrypt(&key, &recipients, &draft, id),
            },
            Self::Verify {
                digest,
                value,
                signer,
            } => Outcome::Judged {
                digest,
                verdict: match signer {
                    Some(signer) => Some(signer).filter(|signer| has_signed(signer, &value)),
                    None => signer_of(&value),
                }
                .map_or(Verdict::Refused, Verdict::Signed),
            },
            Self::Decrypt { digest, key, value } => Outcome::Judged {
                digest,
                verdict: decrypt(&key, &value).map_or(Verdict::Refused, Verdict::Opened),
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

    fn failed(&self) -> Outcome {
        match self {
            Self::Sign { op, .. } | Self::Encrypt { op, .. } => Outcome::Made {
                op: *op,
                value: Err(SecurePutError::JobFailed),
            },
            Self::Verify { digest, .. } | Self::Decrypt { digest, .. } => Outcome::Judged {
                digest: *digest,
                verdict: Verdict::Refused,
            },
            Self::ReadCertificate { name, .. } => Outcome::Read {
                name: *name,
                certificate: None,
            },
            Self::Prove(check) => Outcome::Proved {
                check: check.id,
                holds: false,
            },
        }
    }
}

/// Reads the owner's certificate and, if the chain is in order, those of its issuers.
fn certificates_in(value: &Value) -> Option<CertificateChain> {
    CertificateChain::from_bytes(value.data())
        .or_else(|_| Certificate::from_pem(value.data()).map(CertificateChain::from))
        .ok()
}

/// Applies the store and edit rules for certificates (`docs/spec/secure.md#6.5`), and the one for
/// signatures.
fn holds(proof: Proof, key: InfoHash, value: &Value, replaces: Option<&Value>) -> bool {
    let certificate_of = |value| Some(certificates_in(value)?.leaf().clone());
    let belongs_here = |certificate: &Certificate| {
        dht_keys(certificate.id(), certificate.long_id()).contains(&key)
    };
    match proof {
        Proof::Signature => signer_of(value).is_some(),
        Proof::Certificate => certificate_of(value).is_some_and(|new| belongs_here(&new)),
        Proof::SameCertificateKey => certificate_of(value)
            .filter(belongs_here)
            .zip(replaces.and_then(certificate_of))
            .is_some_and(|(new, old)| new.long_id() == old.long_id()),
    }
}

impl fmt::Debug for Job {
    /// Shows what it is about; neither contents nor keys.
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
    use super::super::testing::{alice, bob, certificate_value, signed};
    use super::*;
    use crate::wire;

    fn is_send<T: Send + 'static>() {}

    #[test]
    fn jobs_can_go_to_any_thread() {
        is_send::<Job>();
        is_send::<Done>();
    }

    #[test]
    fn a_key_read_before_verifies_its_own_values_alone() {
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
