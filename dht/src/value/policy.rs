//! Whether a value may be stored, and whether it may replace another: the rules of
//! `docs/spec/secure.md#6`, without cryptography.
//!
//! Where a rule needs cryptography (a signature, a certificate), the answer is [`Decision::Check`]
//! with what must be proved before the value is kept. A refusal is silent on the wire.

use std::net::SocketAddr;

use thiserror::Error;

use super::{Policy, Value};
use crate::msgpack::{Cursor, Head, Writer};
use crate::sockaddr;

/// The outcome of the rules for a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Decision {
    /// It may be kept.
    Accept,
    /// It may be kept once this is proved.
    Check(Proof),
    /// It may not be kept.
    Refuse(Reason),
}

/// What must be proved of a value before it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Its signature verifies under its owner's key.
    Signature,
    /// Its payload is a certificate, and the key it is stored under is an id of the certified key:
    /// the short key id or the hash of the long one.
    Certificate,
    /// As [`Proof::Certificate`], and the value it replaces certifies the same key. Either the
    /// holder of that key made it, as the value or the certificate itself is signed by the key; or
    /// it was issued under the issuer of the certificate it replaces.
    CertificateRenewal,
}

/// Why a value is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum Reason {
    /// Its content or packed form exceeds [`Value::MAX_CONTENT`] or [`Value::MAX_PACKED`].
    #[error("the value is too large")]
    TooLarge,
    /// A message that names no service.
    #[error("the message names no service")]
    NoService,
    /// A service announcement without a port.
    #[error("the service announcement has no port")]
    NoPort,
    /// A value of this type, or without a signature, is never replaced.
    #[error("the stored value cannot be replaced")]
    Final,
    /// The value would change the type of the one it replaces.
    #[error("the stored value is of another type")]
    OtherType,
    /// The stored value is signed and this one is not.
    #[error("the stored value is signed, the new one is not")]
    Unsigned,
    /// The stored value has another owner.
    #[error("the stored value is signed by another owner")]
    OtherOwner,
    /// The sequence number is not above that of the stored value.
    #[error("the stored value has the same or a higher sequence number")]
    OldSequence,
}

/// Decides whether a value may be stored under a key that holds none of its id. `policy` is that of
/// the value's type.
///
/// A service announcement must pass through [`rewrite_service`] before it is kept.
pub(crate) fn may_store(value: &Value, policy: Policy) -> Decision {
    if value.packed().len() > Value::MAX_PACKED {
        return Decision::Refuse(Reason::TooLarge);
    }
    match policy {
        Policy::Certificate => Decision::Check(Proof::Certificate),
        Policy::Secured | Policy::Message if value.signed().is_some() => {
            Decision::Check(Proof::Signature)
        }
        _ if value.content_size() > Value::MAX_CONTENT => Decision::Refuse(Reason::TooLarge),
        Policy::Message if has_empty_service(value.data()) => Decision::Refuse(Reason::NoService),
        Policy::Service if service_port(value.data()).is_none() => Decision::Refuse(Reason::NoPort),
        Policy::Open | Policy::Secured | Policy::Message | Policy::Service => Decision::Accept,
    }
}

/// Decides whether `new` may replace `stored`, which has the same id under the same key. `policy`
/// is that of the stored value's type.
///
/// The same content again is a refresh, not an edit, and always accepted.
pub(crate) fn may_replace(stored: &Value, new: &Value, policy: Policy) -> Decision {
    if stored.same_content(new) {
        return Decision::Accept;
    }
    if new.packed().len() > Value::MAX_PACKED {
        return Decision::Refuse(Reason::TooLarge);
    }
    match policy {
        Policy::Open | Policy::Service => Decision::Refuse(Reason::Final),
        Policy::Secured | Policy::Message => may_edit(stored, new),
        // Owner and signature of what is stored do not count: if they did, a peer that signed a
        // value around another's certificate would keep its holder from renewing it.
        Policy::Certificate if new.value_type() == stored.value_type() => {
            Decision::Check(Proof::CertificateRenewal)
        }
        Policy::Certificate => Decision::Refuse(Reason::OtherType),
    }
}

/// Returns the payload of a service announcement with its address replaced by `from`, the sender's
/// as the storing node sees it; the port stays (`docs/spec/secure.md#6.4`). `None` if it is no
/// announcement or its port is 0.
///
/// The value must be built anew of its id, type and this payload alone.
pub(crate) fn rewrite_service(data: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let addr = SocketAddr::new(from.ip(), service_port(data)?);
    let mut out = Writer::default();
    out.bin(&sockaddr::to_raw(&addr));
    Some(out.into_bytes())
}

/// Decides by the secured edit rule (`docs/spec/secure.md#6.1`).
fn may_edit(stored: &Value, new: &Value) -> Decision {
    let Some(old) = stored.signed() else {
        return Decision::Refuse(Reason::Final);
    };
    let Some(signed) = new.signed() else {
        return Decision::Refuse(Reason::Unsigned);
    };
    let reason = if signed.owner != old.owner {
        Reason::OtherOwner
    } else if signed.body.value_type != old.body.value_type {
        // Differs: OpenDHT applies the old type's rules only, so that an edit can slip past the new
        // type's.
        Reason::OtherType
    } else if signed.seq < old.seq
        || (signed.seq == old.seq && signed.signed_bytes != old.signed_bytes)
    {
        Reason::OldSequence
    } else {
        return Decision::Check(Proof::Signature);
    };
    Decision::Refuse(reason)
}

/// Reports whether a message's payload, a msgpack array, starts with an empty string. Anything
/// unreadable does not.
fn has_empty_service(data: &[u8]) -> bool {
    let mut payload = Cursor::new(data, 0);
    matches!(payload.head(), Some(Head::Array(1..)))
        && matches!(payload.head(), Some(Head::Str([])))
}

/// Returns the port of a service announcement, which is a msgpack bin of a raw socket address and
/// nothing more. `None` for anything else or port 0.
fn service_port(data: &[u8]) -> Option<u16> {
    let mut payload = Cursor::new(data, 0);
    let Head::Bin(addr) = payload.head()? else {
        return None;
    };
    let addr = sockaddr::from_raw(addr).filter(|_| payload.is_at_end())?;
    Some(addr.port()).filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueType;
    use crate::value::sample::{Sample, sample};

    const ALICE: &[u8] = b"alice's key";
    const BOB: &[u8] = b"bob's key";
    const SERVICE: &[u8] = b"\xc4\x10\x02\x00\x10\xe1\0\0\0\0\0\0\0\0\0\0\0\0";

    fn signed(owner: &[u8], seq: u16, data: &[u8]) -> Sample {
        sample(1).data(data).signed(owner, seq, data)
    }

    #[test]
    fn policy_and_form_decide_what_may_be_stored() {
        let accept = Decision::Accept;
        let check = Decision::Check(Proof::Signature);
        let clear = || sample(1).data(b"hi");
        let signed = || signed(ALICE, 0, b"hi");
        let table = [
            (Policy::Open, clear(), accept),
            (Policy::Open, signed(), accept),
            (Policy::Open, sample(1).encrypted(b"?"), accept),
            (Policy::Secured, clear(), accept),
            (Policy::Secured, signed(), check),
            (Policy::Secured, sample(1).encrypted(b"?"), accept),
            (Policy::Secured, clear().signed(ALICE, 0, b""), accept),
            (Policy::Message, clear(), accept),
            (
                Policy::Message,
                sample(1).data(b"\x92\xa1s\xc4\x00"),
                accept,
            ),
            (
                Policy::Message,
                sample(1).data(b"\x92\xa0\xc4\x00"),
                Decision::Refuse(Reason::NoService),
            ),
            (
                Policy::Message,
                sample(1).data(b"\xdc\x00\x02\xd9\x00\xc4\x00"),
                Decision::Refuse(Reason::NoService),
            ),
            (Policy::Message, signed(), check),
            (Policy::Service, sample(1).data(SERVICE), accept),
            (Policy::Service, clear(), Decision::Refuse(Reason::NoPort)),
            (
                Policy::Certificate,
                clear(),
                Decision::Check(Proof::Certificate),
            ),
            (
                Policy::Certificate,
                signed(),
                Decision::Check(Proof::Certificate),
            ),
        ];
        for (policy, sample, expected) in table {
            let value = sample.build();
            assert_eq!(may_store(&value, policy), expected, "{policy:?} {value:?}");
        }
    }

    #[test]
    fn content_above_64_kib_is_refused_unless_signed() {
        let full = vec![b'x'; Value::MAX_CONTENT];
        let over = vec![b'x'; Value::MAX_CONTENT + 1];
        for policy in [Policy::Open, Policy::Secured, Policy::Message] {
            let decision = may_store(&sample(1).data(&full).build(), policy);
            assert_eq!(decision, Decision::Accept);
            let decision = may_store(&sample(1).data(&over).build(), policy);
            assert_eq!(decision, Decision::Refuse(Reason::TooLarge));
        }
        let signed = sample(1).data(&full).signed(ALICE, 0, b"s").build();
        assert_eq!(
            may_store(&signed, Policy::Secured),
            Decision::Check(Proof::Signature)
        );
    }

    #[test]
    fn nothing_is_stored_that_could_not_be_forwarded() {
        let owner = vec![b'k'; Value::MAX_PACKED];
        let value = sample(1).signed(&owner, 0, b"s").build();
        for policy in [Policy::Open, Policy::Secured, Policy::Certificate] {
            let refusal = Decision::Refuse(Reason::TooLarge);
            assert_eq!(may_store(&value, policy), refusal);
            assert_eq!(may_replace(&sample(1).build(), &value, policy), refusal);
        }
    }

    #[test]
    fn only_the_owner_replaces_a_secured_value_with_a_higher_sequence_number() {
        let check = Decision::Check(Proof::Signature);
        let table = [
            (signed(ALICE, 5, b"new"), check),
            (
                signed(ALICE, 4, b"new"),
                Decision::Refuse(Reason::OldSequence),
            ),
            (
                signed(ALICE, 3, b"new"),
                Decision::Refuse(Reason::OldSequence),
            ),
            (signed(BOB, 5, b"new"), Decision::Refuse(Reason::OtherOwner)),
            (
                signed(ALICE, 5, b"new").value_type(ValueType::SERVICE),
                Decision::Refuse(Reason::OtherType),
            ),
            (sample(1).data(b"new"), Decision::Refuse(Reason::Unsigned)),
            (
                sample(1).encrypted(b"new"),
                Decision::Refuse(Reason::Unsigned),
            ),
            (
                sample(1).data(b"new").signed(ALICE, 5, b""),
                Decision::Refuse(Reason::Unsigned),
            ),
            (signed(ALICE, 4, b"old"), Decision::Accept),
            // Signed anew over the same bytes, as salted signatures allow.
            (sample(1).data(b"old").signed(ALICE, 4, b"salted"), check),
        ];
        let stored = signed(ALICE, 4, b"old").build();
        for (sample, expected) in table {
            let new = sample.build();
            for policy in [Policy::Secured, Policy::Message] {
                assert_eq!(may_replace(&stored, &new, policy), expected, "{new:?}");
            }
        }
    }

    #[test]
    fn unsigned_values_and_open_types_are_final_but_can_be_refreshed() {
        let final_ = Decision::Refuse(Reason::Final);
        let forms = [
            sample(1).data(b"old").build(),
            sample(1).encrypted(b"old").build(),
        ];
        for stored in &forms {
            for policy in [Policy::Open, Policy::Secured, Policy::Service] {
                let new = signed(ALICE, 9, b"new").build();
                assert_eq!(may_replace(stored, &new, policy), final_);
                assert_eq!(may_replace(stored, stored, policy), Decision::Accept);
            }
        }
        let stored = signed(ALICE, 1, b"old").build();
        let new = signed(ALICE, 2, b"new").build();
        assert_eq!(may_replace(&stored, &new, Policy::Open), final_);
    }

    #[test]
    fn a_certificate_is_replaced_by_its_renewal_whatever_the_signature_around_it() {
        let old = sample(1).value_type(ValueType::CERTIFICATE).data(b"old");
        let new = sample(1)
            .value_type(ValueType::CERTIFICATE)
            .data(b"new")
            .build();
        let check = Decision::Check(Proof::CertificateRenewal);
        let wrapped = old.clone().signed(BOB, 9, b"s").build();
        assert_eq!(
            may_replace(&old.clone().build(), &new, Policy::Certificate),
            check
        );
        assert_eq!(may_replace(&wrapped, &new, Policy::Certificate), check);
        assert_eq!(
            may_replace(&old.build(), &sample(1).build(), Policy::Certificate),
            Decision::Refuse(Reason::OtherType)
        );
    }

    #[test]
    fn a_service_gets_the_senders_address_and_keeps_its_port() {
        let v6 = rewrite_service(SERVICE, "[2001:db8::1]:9".parse().unwrap()).unwrap();
        assert_eq!(
            hex::encode(&v6),
            "c41c0a0010e10000000020010db800000000000000000000000100000000"
        );
        let v4 = rewrite_service(&v6, "192.0.2.1:9".parse().unwrap()).unwrap();
        assert_eq!(hex::encode(&v4), "c410020010e1c00002010000000000000000");
        assert_eq!(service_port(&v4), Some(4321));
    }

    #[test]
    fn only_services_with_a_port_are_rewritten() {
        let mut without_port = SERVICE.to_vec();
        without_port[4..6].fill(0);
        let cut = &SERVICE[..SERVICE.len() - 1];
        let long = [SERVICE, b"\0"].concat();
        for data in [
            &without_port,
            cut,
            &long,
            b"",
            b"\xc4",
            b"\xc5\0",
            b"\xc4\x02\x02\0",
        ] {
            let from = "192.0.2.1:9".parse().unwrap();
            assert_eq!(rewrite_service(data, from), None, "{data:02x?}");
        }
    }
}
