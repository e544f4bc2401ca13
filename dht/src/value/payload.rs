//! [`Typed`]: the payloads of the default value types (`docs/spec/secure.md#6.2`).
//!
//! They come from unknown peers: only their form is checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Body, Draft, ValueType};
use crate::sockaddr;

/// A payload with a value type of its own.
///
/// ```
/// use bulla_dht::{DhtMessage, ValueType, Typed, ValueId, wire};
///
/// let note = DhtMessage { service: "notes".into(), data: "hello".into() };
/// let value = wire::pack(&note.draft(), ValueId(1));
/// assert_eq!(value.value_type(), ValueType::DHT_MESSAGE);
/// assert_eq!(DhtMessage::read(value.body().unwrap()), Ok(note));
/// ```
pub trait Typed: Sized {
    /// The value type.
    const TYPE: ValueType;

    /// Returns the payload in bytes.
    fn to_data(&self) -> Bytes;

    /// Reads the payload's bytes.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if they are no such payload.
    fn from_data(data: &[u8]) -> Result<Self, PayloadError>;

    /// Makes a draft of this payload and type.
    fn draft(&self) -> Draft {
        Draft::new(self.to_data()).value_type(Self::TYPE)
    }

    /// Reads the payload of a value.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if the value is of another type or its data no such payload.
    fn read(body: Body<'_>) -> Result<Self, PayloadError> {
        if body.value_type == Self::TYPE {
            Self::from_data(body.data)
        } else {
            Err(PayloadError(Self::TYPE))
        }
    }
}

/// The value holds no payload of this type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a payload of value type {}", .0.0)]
pub struct PayloadError(ValueType);

/// A message of a named service.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct DhtMessage {
    /// The service; must not be empty, or no node stores it.
    pub service: String,
    /// The message.
    pub data: Bytes,
}

/// "This service runs at this address." Storing nodes replace the address by the sender's own, and
/// keep the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceAnnouncement {
    /// Where the service is.
    pub addr: SocketAddr,
}

/// A line of a chat. Trust it only if it is signed.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ImMessage {
    /// The line's number.
    pub id: u64,
    /// The text.
    #[serde(rename = "msg")]
    pub text: String,
    /// When it was written, in seconds since 1970.
    pub date: i64,
    /// Its status.
    pub status: ImStatus,
    /// The text's media type.
    #[serde(rename = "datatype")]
    pub media_type: String,
    /// Anything else that the sender attached.
    #[serde(rename = "metadatas")]
    pub metadata: BTreeMap<String, String>,
}

/// The status of an [`ImMessage`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub enum ImStatus {
    /// Just a message, or a status unknown to us.
    #[default]
    None = 0,
    /// It is being typed.
    Typing = 1,
    /// It was received.
    Received = 2,
    /// It was read.
    Read = 3,
}

/// A request to be trusted. Trust it only if it is signed and encrypted.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustRequest {
    /// The application.
    pub service: String,
    /// The conversation it is about.
    #[serde(rename = "conversationId")]
    pub conversation: String,
    /// What the application adds.
    pub payload: Bytes,
    /// Whether it confirms an earlier request of the other side.
    pub confirm: bool,
}

/// Candidates for a peer-to-peer connection. Trust them only if they are signed and encrypted.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct IceCandidates {
    /// The number of the exchange.
    pub id: u64,
    /// The candidates, in a form that the applications agree on.
    pub data: Bytes,
}

/// The bytes of a certificate with its issuers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CertificatePayload {
    /// PEM blocks from the leaf to the root. Others also write a single certificate in DER.
    pub encoded: Bytes,
}

impl Typed for DhtMessage {
    const TYPE: ValueType = ValueType::DHT_MESSAGE;

    fn to_data(&self) -> Bytes {
        pack_array(self)
    }

    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        unpack(data).ok_or(PayloadError(Self::TYPE))
    }
}

impl Typed for ServiceAnnouncement {
    const TYPE: ValueType = ValueType::SERVICE;

    fn to_data(&self) -> Bytes {
        pack_array(&Bytes::from(sockaddr::to_raw(&self.addr)))
    }

    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        let addr = unpack::<Bytes>(data).and_then(|raw| sockaddr::from_raw(&raw));
        let addr = addr.ok_or(PayloadError(Self::TYPE))?;
        Ok(Self { addr })
    }
}

impl Typed for ImMessage {
    const TYPE: ValueType = ValueType::IM_MESSAGE;

    fn to_data(&self) -> Bytes {
        pack_map(self)
    }

    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        unpack(data).ok_or(PayloadError(Self::TYPE))
    }
}

impl Typed for TrustRequest {
    const TYPE: ValueType = ValueType::TRUST_REQUEST;

    fn to_data(&self) -> Bytes {
        pack_map(self)
    }

    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        unpack(data).ok_or(PayloadError(Self::TYPE))
    }
}

impl Typed for IceCandidates {
    const TYPE: ValueType = ValueType::ICE_CANDIDATES;

    fn to_data(&self) -> Bytes {
        pack_array(self)
    }

    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        unpack(data).ok_or(PayloadError(Self::TYPE))
    }
}

impl Typed for CertificatePayload {
    const TYPE: ValueType = ValueType::CERTIFICATE;

    fn to_data(&self) -> Bytes {
        pack_array(&self.encoded)
    }

    /// Never fails: bytes that are not wrapped are taken as they are, and the parser of
    /// certificates decides.
    fn from_data(data: &[u8]) -> Result<Self, PayloadError> {
        let encoded = unpack(data).unwrap_or_else(|| Bytes::copy_from_slice(data));
        Ok(Self { encoded })
    }
}

impl From<u64> for ImStatus {
    fn from(number: u64) -> Self {
        match number {
            1 => Self::Typing,
            2 => Self::Received,
            3 => Self::Read,
            _ => Self::None,
        }
    }
}

impl From<ImStatus> for u64 {
    fn from(status: ImStatus) -> Self {
        status as Self
    }
}

/// Packs a struct as the array of its fields, or bytes as bin.
fn pack_array(payload: &impl Serialize) -> Bytes {
    let packed = rmp_serde::to_vec(payload);
    packed.expect("writing to memory cannot fail").into()
}

/// Packs a struct as a map.
fn pack_map(payload: &impl Serialize) -> Bytes {
    let packed = rmp_serde::to_vec_named(payload);
    packed.expect("writing to memory cannot fail").into()
}

/// Reads msgpack of an unknown peer. The default depth limit would exhaust a small stack.
fn unpack<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(data);
    deserializer.set_max_depth(32);
    T::deserialize(&mut deserializer).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn missing_keys_take_defaults() {
        let message = ImMessage::from_data(b"\x81\xa3msg\xa2hi").unwrap();
        assert_eq!(
            message,
            ImMessage {
                text: "hi".into(),
                ..ImMessage::default()
            }
        );
        assert_eq!(
            TrustRequest::from_data(b"\x80"),
            Ok(TrustRequest::default())
        );
    }

    #[test]
    fn an_unknown_status_counts_as_none() {
        let message = ImMessage::from_data(b"\x81\xa6status\x63").unwrap();
        assert_eq!(message.status, ImStatus::None);
    }

    #[test]
    fn a_payload_of_another_type_is_refused() {
        let body = Body {
            value_type: ValueType::USER_DATA,
            data: &DhtMessage::default().to_data(),
            user_type: &[],
        };
        assert_eq!(
            DhtMessage::read(body),
            Err(PayloadError(ValueType::DHT_MESSAGE))
        );
    }

    #[test]
    fn certificates_are_read_wrapped_and_bare() {
        let chain = CertificatePayload {
            encoded: Bytes::from_static(b"-----BEGIN CERTIFICATE-----"),
        };
        assert_eq!(
            CertificatePayload::from_data(&chain.to_data()),
            Ok(chain.clone())
        );
        assert_eq!(CertificatePayload::from_data(&chain.encoded), Ok(chain));
        let der = [0x30, 0x82, 0x01, 0x00];
        assert_eq!(
            CertificatePayload::from_data(&der).unwrap().encoded,
            der[..]
        );
    }

    #[test]
    fn deep_nesting_is_refused_on_a_small_stack() {
        // An unknown key whose value is an array in an array in an array…
        let mut data = b"\x81\xa1x".to_vec();
        data.extend(vec![0x91; 60_000]);
        let read = std::thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || ImMessage::from_data(&data))
            .unwrap();
        assert!(read.join().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = DhtMessage::from_data(&data);
            let _ = ServiceAnnouncement::from_data(&data);
            let _ = ImMessage::from_data(&data);
            let _ = TrustRequest::from_data(&data);
            let _ = IceCandidates::from_data(&data);
            let _ = CertificatePayload::from_data(&data);
        }
    }
}
