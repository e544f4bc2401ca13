//! Payloads of the application's own types: user data in msgpack.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::Draft;

/// Values nested deeper than this are not read: each level costs stack.
const MAX_DEPTH: usize = 32;

/// The value cannot be written as msgpack.
#[derive(Debug, Error)]
#[error("cannot be written as msgpack")]
pub struct EncodeError(#[source] rmp_serde::encode::Error);

/// The payload is no msgpack of the wanted type.
#[derive(Debug, Error)]
#[error("not a payload of this type")]
pub struct PayloadTypeError(#[source] rmp_serde::decode::Error);

/// Makes user data of a value: msgpack, structures as maps by field name.
///
/// The value types of the protocol have a form of their own, [`Typed`](crate::Typed): put what
/// `draft()` makes of a message, and read one with `DhtMessage::read(body)`.
///
/// ```
/// use bulla::{from_data, to_draft};
///
/// let draft = to_draft(&("alice", 7))?;
/// assert_eq!(from_data::<(String, u8)>(&draft.data)?, ("alice".to_owned(), 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`EncodeError`] if `T` holds what serde cannot write.
pub fn to_draft<T: Serialize + ?Sized>(value: &T) -> Result<Draft, EncodeError> {
    rmp_serde::to_vec_named(value)
        .map(Draft::from)
        .map_err(EncodeError)
}

/// Reads the payload of a value. Anyone may have written it; nesting is bounded, and `T` says what
/// else is allowed.
///
/// # Errors
///
/// [`PayloadTypeError`] if the payload is no msgpack of a `T`.
pub fn from_data<T: DeserializeOwned>(data: &[u8]) -> Result<T, PayloadTypeError> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(data);
    reader.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut reader).map_err(PayloadTypeError)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    struct Profile {
        name: String,
        age: u8,
    }

    /// Nested as deep as the data says.
    #[derive(Debug, Deserialize)]
    struct Nested(#[expect(dead_code, reason = "only its depth matters")] Vec<Nested>);

    #[test]
    fn structures_travel_as_maps_by_name() {
        let alice = Profile {
            name: "alice".into(),
            age: 7,
        };
        let draft = to_draft(&alice).unwrap();
        assert_eq!(draft.data[..], *b"\x82\xa4name\xa5alice\xa3age\x07");
        assert_eq!(from_data::<Profile>(&draft.data).unwrap(), alice);
    }

    #[test]
    fn another_type_is_an_error() {
        let draft = to_draft(&7).unwrap();
        assert!(from_data::<Profile>(&draft.data).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        let arrays = vec![0x91; 60_000];
        assert!(from_data::<Nested>(&arrays).is_err());
    }
}
