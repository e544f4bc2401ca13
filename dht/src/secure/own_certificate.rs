//! [`OwnCertificate`]: whether the own certificate is published (`docs/spec/secure.md#5.4`).
//!
//! It is announced under both keys where others look for it, once the node is connected and for as
//! long as it runs. If the node refuses that, it is tried again when it gets connected again. It is
//! there twice: as others publish it, and signed by the certified key. Now and then it is looked
//! at: nodes that are not on bulla let another certificate of the same key take its place.

use std::time::Duration;

use bulla_identity::{CertificateChain, Identity};

use super::action::SecureAction;
use super::key_cache::dht_keys;
use crate::value::{CertificatePayload, Draft, Typed, Value, ValueId, ValueType};
use crate::{InfoHash, Timestamp, wire};

/// The id under which certificates are put.
const CERTIFICATE_ID: ValueId = ValueId(1);

/// How long after its publication the certificate is looked at first.
const FIRST_LOOK: Duration = Duration::from_secs(10 * 60);
/// How often it is looked at after that.
const LOOK_PERIOD: Duration = Duration::from_secs(60 * 60);

/// The publication of the own certificate.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum OwnCertificate {
    /// The application does not want it published.
    Withheld,
    /// It is to be published.
    Due,
    /// It is announced.
    Published {
        /// When to look whether it is there.
        look_at: Timestamp,
    },
}

impl OwnCertificate {
    pub(super) fn new(is_wanted: bool) -> Self {
        if is_wanted { Self::Due } else { Self::Withheld }
    }

    /// Publishes the certificate of an identity, if it is due.
    pub(super) fn on_connected(&mut self, now: Timestamp, us: &Identity) -> Vec<SecureAction> {
        if *self != Self::Due {
            return Vec::new();
        }
        let look_at = now + FIRST_LOOK;
        *self = Self::Published { look_at };
        let plain = places(us).map(|key| publish(key, us));
        let signs = us.public_key().kind().signs_values();
        let signed = places(us).into_iter().filter(|_| signs);
        let signed = signed.map(|key| SecureAction::PublishSigned {
            key,
            draft: certificate_draft(us).id(signed_id(us)),
        });
        plain.into_iter().chain(signed).collect()
    }

    /// Notes that the node has refused to announce it: too much is under way.
    pub(super) fn on_refused(&mut self) {
        *self = Self::Due;
    }

    /// Returns the keys to look under, if that is due.
    pub(super) fn look(&mut self, now: Timestamp, us: &Identity) -> Vec<InfoHash> {
        match self {
            Self::Published { look_at } if *look_at <= now => {
                *look_at = now + LOOK_PERIOD;
                places(us).into()
            }
            Self::Withheld | Self::Due | Self::Published { .. } => Vec::new(),
        }
    }
}

/// Returns the keys under which a certificate is published.
fn places(us: &Identity) -> [InfoHash; 2] {
    dht_keys(us.id(), us.long_id())
}

/// Publishes the certificate in one place, also if another is there.
pub(super) fn publish(key: InfoHash, us: &Identity) -> SecureAction {
    SecureAction::Publish {
        key,
        value: certificate_value(us),
    }
}

/// Reports whether a value that was found has taken the place of the certificate.
pub(super) fn displaces(found: &Value, us: &Identity) -> bool {
    found.id() == CERTIFICATE_ID && found.data() != certificate_value(us).data()
}

/// Returns the id of the certificate in a value that is signed by the certified key. No other node
/// can make such a value, while others than bulla let any certificate of the same key replace the
/// unsigned one.
fn signed_id(us: &Identity) -> ValueId {
    let long_id = us.long_id();
    let bytes = long_id.as_bytes().first_chunk().copied();
    ValueId(
        bytes
            .map_or(0, u64::from_be_bytes)
            .max(CERTIFICATE_ID.0 + 1),
    )
}

/// Makes the value that publishes a chain.
pub(super) fn certificate_value(us: &Identity) -> Value {
    wire::pack(&certificate_draft(us), CERTIFICATE_ID)
}

/// Drafts the value that publishes a chain, or the owner's certificate alone if the chain is too
/// large to be stored.
fn certificate_draft(us: &Identity) -> Draft {
    let draft = draft_of(us.chain());
    if draft.content_size() > Value::MAX_CONTENT {
        return draft_of(&us.certificate().clone().into());
    }
    draft
}

fn draft_of(chain: &CertificateChain) -> Draft {
    let payload = CertificatePayload {
        encoded: chain.to_pem().into(),
    };
    Draft::new(payload.to_data()).value_type(ValueType::CERTIFICATE)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob, golden_values, identity};
    use super::*;

    const NOW: Timestamp = Timestamp::ZERO;

    /// The keys of what is published, and of what is to be signed and published.
    fn published(actions: Vec<SecureAction>) -> [Vec<InfoHash>; 2] {
        let mut keys = [vec![], vec![]];
        for action in actions {
            match action {
                SecureAction::Publish { key, value } => {
                    assert_eq!(value, certificate_value(&alice()));
                    keys[0].push(key);
                }
                SecureAction::PublishSigned { key, draft } => {
                    assert_eq!(
                        wire::pack(&draft, ValueId(1)).data(),
                        certificate_value(&alice()).data()
                    );
                    assert_eq!(draft.id, signed_id(&alice()));
                    keys[1].push(key);
                }
                _ => panic!("another action"),
            }
        }
        keys
    }

    #[test]
    fn certificates_are_published_as_opendht_publishes_them() {
        let mut count = 0;
        for vector in golden_values() {
            if vector.name == "type.certificate.alice" {
                let alice = identity("alice", &vector.made_by);
                assert_eq!(certificate_value(&alice).packed()[..], vector.bytes[..]);
                count += 1;
            }
        }
        assert!(count > 0);
    }

    #[test]
    fn the_certificate_is_published_in_both_places_once_plain_and_signed() {
        let mut own = OwnCertificate::new(true);
        let both = places(&alice()).to_vec();
        assert_eq!(
            published(own.on_connected(NOW, &alice())),
            [both.clone(), both]
        );
        assert_eq!(published(own.on_connected(NOW, &alice())), [vec![], vec![]]);
    }

    #[test]
    fn a_refused_certificate_is_published_at_the_next_connection() {
        let mut own = OwnCertificate::new(true);
        let _ = own.on_connected(NOW, &alice());
        own.on_refused();
        assert_eq!(published(own.on_connected(NOW, &alice()))[0].len(), 2);
    }

    #[test]
    fn a_certificate_that_is_not_to_be_published_is_not() {
        let mut own = OwnCertificate::new(false);
        assert_eq!(published(own.on_connected(NOW, &alice())), [vec![], vec![]]);
        assert_eq!(own.look(NOW + LOOK_PERIOD, &alice()), []);
    }

    #[test]
    fn a_published_certificate_is_looked_at_now_and_then() {
        let mut own = OwnCertificate::new(true);
        assert_eq!(own.look(NOW + FIRST_LOOK, &alice()), []);
        let _ = own.on_connected(NOW, &alice());
        let mut look = |at| own.look(NOW + at, &alice()).len();
        let second = Duration::from_secs(1);
        let looks = [
            FIRST_LOOK.saturating_sub(second),
            FIRST_LOOK,
            LOOK_PERIOD,
            FIRST_LOOK + LOOK_PERIOD,
        ];
        assert_eq!(looks.map(&mut look), [0, 2, 0, 2]);
    }

    #[test]
    fn another_value_of_its_id_displaces_it() {
        assert!(!displaces(&certificate_value(&alice()), &alice()));
        assert!(displaces(&certificate_value(&bob()), &alice()));
        let elsewhere = wire::pack(&certificate_draft(&bob()), ValueId(2));
        assert!(!displaces(&elsewhere, &alice()));
    }
}
