//! [`Job`]: the only code of the DHT that does RSA, or reads keys and certificates of other nodes.
//!
//! A job is plain data. [`Job::run`] does no I/O and takes up to some milliseconds; run it wherever
//! there is a core to spare, and hand the [`Done`] back in any order.

use std::fmt;

use bulla_identity::{Certificate, CertificateChain, PrivateKey, PublicKey, is_issued_under};

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
        certificate: Option<FoundCertificate>,
    },
    /// A proof holds, or does not.
    Proved { check: CheckId, holds: bool },
}

/// A certificate that was looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FoundCertificate {
    pub(super) certificate: Certificate,
    /// Whether the value around it is signed by the certified key: its holder published it.
    pub(super) is_holders: bool,
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
                    let named = chain.iter().find(|certificate| name.names(certificate))?;
                    Some(FoundCertificate {
                        certificate: named.clone(),
                        is_holders: is_signed_by_holder(&value, named),
                    })
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
    let chain_here = || {
        certificates_in(value).filter(|chain| {
            let leaf = chain.leaf();
            dht_keys(leaf.id(), leaf.long_id()).contains(&key)
        })
    };
    match proof {
        Proof::Signature => signer_of(value).is_some(),
        Proof::Certificate => chain_here().is_some(),
        Proof::CertificateRenewal => chain_here()
            .zip(replaces.and_then(certificates_in))
            .is_some_and(|(new, old)| {
                new.leaf().long_id() == old.leaf().long_id()
                    && (is_signed_by_holder(value, new.leaf()) || is_renewal(&new, &old))
            }),
    }
}

/// Reports whether a certificate is one that may follow another of the same key: the key signed it,
/// or it was issued under the issuer of the other.
///
/// Differs: others take any certificate of the same key, so that every authority of its own could
/// put one in place of another's.
fn is_renewal(new: &CertificateChain, old: &CertificateChain) -> bool {
    let issuer = old.issuers().first();
    let issuer = issuer.filter(|issuer| old.leaf().is_issued_by(issuer));
    new.leaf().is_issued_by(new.leaf()) || issuer.is_some_and(|it| is_issued_under(new, it))
}

/// Reports whether a value is signed by the key that a certificate in it is for.
fn is_signed_by_holder(value: &Value, certificate: &Certificate) -> bool {
    let key = certificate.public_key();
    key.is_some_and(|key| has_signed(key, value))
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
    use crate::value::ValueType;
    use crate::wire;
    use bulla_identity::{Curve, Identity, IdentityParams, KeyKind};

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
            let renewed = Some(&value);
            assert!(holds(Proof::CertificateRenewal, key, &value, renewed));
            let of_bob = certificate_value(&bob());
            assert!(!holds(Proof::Certificate, key, &of_bob, None));
            assert!(!holds(
                Proof::CertificateRenewal,
                key,
                &value,
                Some(&of_bob)
            ));
            assert!(!holds(Proof::CertificateRenewal, key, &value, None));
        }
        assert!(!holds(Proof::Certificate, InfoHash::of(b"x"), &value, None));
        let other = wire::pack(&Draft::from("no certificate"), ValueId(1));
        assert!(!holds(Proof::Certificate, InfoHash::of(b"x"), &other, None));
    }

    #[test]
    fn a_certificate_is_renewed_by_its_holder_or_its_issuer_and_by_no_other_authority() {
        let authority = |name| {
            let params = IdentityParams::new(name, 0)
                .kind(KeyKind::Curve(Curve::Ed25519))
                .authority();
            Identity::generate(&params).unwrap()
        };
        let (ours, foreign) = (authority("ours"), authority("foreign"));
        let of_alice = |issuer: Option<&Identity>| {
            let params = IdentityParams::new("alice", 0);
            let params = match issuer {
                Some(issuer) => params.issuer(issuer),
                None => params,
            };
            Identity::issue(alice().key().clone(), &params).unwrap()
        };
        let key = dht_keys(alice().id(), alice().long_id())[0];
        let may_renew = |old: &Identity, new: &Value| {
            holds(
                Proof::CertificateRenewal,
                key,
                new,
                Some(&certificate_value(old)),
            )
        };
        let [issued, again] = [of_alice(Some(&ours)), of_alice(Some(&ours))];
        let self_signed = of_alice(None);
        let by_foreign = of_alice(Some(&foreign));
        assert!(may_renew(&issued, &certificate_value(&again)));
        assert!(may_renew(&issued, &certificate_value(&self_signed)));
        for victim in [&issued, &self_signed] {
            let forged = certificate_value(&by_foreign);
            assert!(!may_renew(victim, &forged), "by another authority");
            let draft = Draft::new(forged.data().to_vec()).value_type(ValueType::CERTIFICATE);
            let by = |signer: &Identity| sign(signer.key(), &draft, ValueId(1), 0).unwrap();
            assert!(!may_renew(victim, &by(&bob())), "signed by a foreign key");
            assert!(may_renew(victim, &by(&alice())), "the holder wants it");
        }
        let pretender = CertificateChain::new(
            by_foreign.certificate().clone(),
            [foreign.certificate().clone(), ours.certificate().clone()],
        );
        assert!(pretender.is_err(), "a chain of strangers is none");
    }

    #[test]
    fn a_certificate_that_its_holder_signed_is_known_as_such() {
        let draft = Draft::new(certificate_value(&alice()).data().to_vec());
        let found = |value: Value| {
            let name = alice().long_id().into();
            match (Task::ReadCertificate { name, value }).run() {
                Outcome::Read { certificate, .. } => certificate.unwrap().is_holders,
                _ => panic!("another outcome"),
            }
        };
        assert!(!found(certificate_value(&alice())));
        assert!(found(sign(alice().key(), &draft, ValueId(2), 0).unwrap()));
        assert!(!found(sign(bob().key(), &draft, ValueId(2), 0).unwrap()));
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
