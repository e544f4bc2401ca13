//! How long a value lives, by its type and by whether it is signed (`docs/spec/secure.md#6.2`).

use std::time::Duration;

use super::Value;
use crate::value_type::{Policy, TypeRules, ValueTypes};

impl ValueTypes {
    /// Returns how long a value lives after its creation or last refresh.
    ///
    /// Differs: an unsigned value of a type whose values are to be signed lives for ten minutes at
    /// most. At other nodes anyone fills a store for a week with what costs nothing to make.
    pub fn lifetime(&self, value: &Value) -> Duration {
        let TypeRules { lifetime, policy } = self.rules(value.value_type());
        match policy {
            Policy::Secured | Policy::Message if value.signed().is_none() => {
                lifetime.min(TypeRules::DEFAULT.lifetime)
            }
            Policy::Secured
            | Policy::Message
            | Policy::Open
            | Policy::Service
            | Policy::Certificate => lifetime,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueType;
    use crate::value::sample::sample;

    #[test]
    fn unsigned_values_of_a_type_that_is_to_be_signed_live_ten_minutes() {
        let types = ValueTypes::default();
        let minutes = |value: &Value| types.lifetime(value).as_secs() / 60;
        let request = sample(1).value_type(ValueType::TRUST_REQUEST);
        assert_eq!(minutes(&request.clone().build()), 10);
        let signed = request.signed(b"owner", 1, b"signature").build();
        assert_eq!(minutes(&signed), 7 * 24 * 60);
        for (value_type, expected) in [
            (ValueType::SERVICE, 15),
            (ValueType::CERTIFICATE, 7 * 24 * 60),
            (ValueType::DHT_MESSAGE, 5),
        ] {
            let value = sample(1).value_type(value_type).build();
            assert_eq!(minutes(&value), expected);
        }
    }
}
