//! Publication of the own certificate (`docs/spec/secure.md#5.4`).

use bulla_identity::{CertificateChain, Identity};

use super::SecureDht;
use super::key_cache::dht_keys;
use super::pending::InternalOp;
use crate::node::PutOptions;
use crate::value::{CertificatePayload, Draft, Typed, Value, ValueId, ValueType};
use crate::{Timestamp, wire};

/// The id under which certificates are put.
const CERTIFICATE_ID: ValueId = ValueId(1);

impl SecureDht {
    /// Announces the own certificate at both places where others look for it, once and for as long as the node runs.
    pub(super) fn publish_certificate(&mut self, now: Timestamp) {
        if !self.config.publish_certificate || self.is_published {
            return;
        }
        let Some(identity) = self.identity.as_ref() else {
            return;
        };
        let value = certificate_value(identity);
        let options = PutOptions {
            permanent: true,
            ..PutOptions::default()
        };
        self.is_published = true;
        for key in dht_keys(identity.id(), identity.long_id()) {
            match self.node.put(now, key, value.clone(), options) {
                Ok(put) => {
                    self.internal_ops.insert(put, InternalOp::Publication);
                }
                // Too much is under way: it is tried again the next time the node gets connected.
                Err(_) => self.is_published = false,
            }
        }
    }
}

/// The value that publishes a chain, or the owner's certificate alone if the chain is too large to be stored.
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
    use super::super::testing::{golden_values, identity};
    use super::*;

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
}
