//! [`OwnCertificate`]: whether the own certificate is published (`docs/spec/secure.md#5.4`).
//!
//! It is announced under both keys where others look for it, once the node is connected and for as
//! long as it runs. If the node refuses that, it is tried again when it gets connected again.

use bulla_identity::{CertificateChain, Identity};

use super::action::SecureAction;
use super::key_cache::dht_keys;
use crate::node::PutOptions;
use crate::value::{CertificatePayload, Draft, Typed, Value, ValueId, ValueType};
use crate::wire;

/// The id under which certificates are put.
const CERTIFICATE_ID: ValueId = ValueId(1);

/// The publication of the own certificate.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum OwnCertificate {
    /// The application does not want it published.
    Withheld,
    /// It is to be published.
    Due,
    /// It is announced.
    Published,
}

impl OwnCertificate {
    pub(super) fn new(is_wanted: bool) -> Self {
        if is_wanted { Self::Due } else { Self::Withheld }
    }

    /// Publishes the certificate of an identity, if it is due.
    pub(super) fn on_connected(&mut self, identity: &Identity) -> Vec<SecureAction> {
        if *self != Self::Due {
            return Vec::new();
        }
        *self = Self::Published;
        let value = certificate_value(identity);
        let publish = |key| SecureAction::Publish {
            key,
            value: value.clone(),
            options: PutOptions {
                permanent: true,
                ..PutOptions::default()
            },
        };
        dht_keys(identity.id(), identity.long_id())
            .map(publish)
            .into()
    }

    /// Notes that the node has refused to announce it: too much is under way.
    pub(super) fn on_refused(&mut self) {
        *self = Self::Due;
    }
}

/// Makes the value that publishes a chain, or the owner's certificate alone if the chain is too
/// large to be stored.
pub(super) fn certificate_value(identity: &Identity) -> Value {
    let value = value_of(identity.chain());
    if value.content_size() > Value::MAX_CONTENT {
        return value_of(&identity.certificate().clone().into());
    }
    value
}

fn value_of(chain: &CertificateChain) -> Value {
    let payload = CertificatePayload {
        encoded: chain.to_pem().into(),
    };
    let draft = Draft::new(payload.to_data()).value_type(ValueType::CERTIFICATE);
    wire::pack(&draft, CERTIFICATE_ID)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, golden_values, identity};
    use super::*;
    use crate::InfoHash;

    /// The keys of what is published, and the value if it is as it should be.
    fn published(actions: Vec<SecureAction>) -> Vec<InfoHash> {
        let key = |action| match action {
            SecureAction::Publish {
                key,
                value,
                options,
            } => {
                assert_eq!(value, certificate_value(&alice()));
                assert!(options.permanent);
                key
            }
            _ => panic!("another action"),
        };
        actions.into_iter().map(key).collect()
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
    fn the_certificate_is_published_in_both_places_once() {
        let mut own = OwnCertificate::new(true);
        let places = dht_keys(alice().id(), alice().long_id());
        assert_eq!(published(own.on_connected(&alice())), places);
        assert_eq!(published(own.on_connected(&alice())), []);
    }

    #[test]
    fn a_refused_certificate_is_published_at_the_next_connection() {
        let mut own = OwnCertificate::new(true);
        let _ = own.on_connected(&alice());
        own.on_refused();
        assert_eq!(published(own.on_connected(&alice())).len(), 2);
    }

    #[test]
    fn a_certificate_that_is_not_to_be_published_is_not() {
        let mut own = OwnCertificate::new(false);
        assert_eq!(published(own.on_connected(&alice())), []);
    }
}
