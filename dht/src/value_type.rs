//! [`ValueType`], and its [`TypeRules`]: how long values are kept, and what may replace them.

use std::collections::BTreeMap;
use std::time::Duration;

/// A value type's number (`docs/spec/secure.md#6.2`). Any number may travel; those not registered
/// follow [`TypeRules::DEFAULT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ValueType(pub u16);

/// How values of one type are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeRules {
    /// How long a value lives after its creation or last refresh.
    pub lifetime: Duration,
    /// Which values may be stored, and replace others.
    pub policy: Policy,
}

/// Which values of a type may be stored, and replace others (`docs/spec/secure.md#6`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// All may store, none may replace; signatures are not checked on storing.
    Open,
    /// Signed values are stored only if they verify, and replaced only by their owner with a higher
    /// sequence number.
    Secured,
    /// As [`Policy::Secured`], and the payload must name a service.
    Message,
    /// As [`Policy::Open`]; the payload's address is replaced by the sender's.
    Service,
    /// Stored only under the id of the key that the payload certifies; replaced only for the same
    /// key.
    Certificate,
}

/// The types a node knows, by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueTypes(BTreeMap<ValueType, TypeRules>);

impl ValueType {
    /// Raw bytes of an application.
    pub const USER_DATA: Self = Self(0);
    /// A message of a named service.
    pub const DHT_MESSAGE: Self = Self(1);
    /// "This service runs at this address."
    pub const SERVICE: Self = Self(2);
    /// A line of a chat.
    pub const IM_MESSAGE: Self = Self(3);
    /// A request to be trusted.
    pub const TRUST_REQUEST: Self = Self(4);
    /// Candidates for a peer-to-peer connection.
    pub const ICE_CANDIDATES: Self = Self(5);
    /// A certificate chain.
    pub const CERTIFICATE: Self = Self(8);
}

impl TypeRules {
    /// The rules of types that are not registered.
    pub const DEFAULT: Self = Self::new(10 * 60, Policy::Open);

    const fn new(lifetime_secs: u64, policy: Policy) -> Self {
        Self {
            lifetime: Duration::from_secs(lifetime_secs),
            policy,
        }
    }
}

impl ValueTypes {
    /// Returns the rules of a type.
    pub fn rules(&self, value_type: ValueType) -> TypeRules {
        self.0
            .get(&value_type)
            .copied()
            .unwrap_or(TypeRules::DEFAULT)
    }

    /// Returns how long values live at least, of whatever type.
    pub(crate) fn shortest_lifetime(&self) -> Duration {
        let registered = self.0.values().map(|rules| rules.lifetime);
        registered.fold(TypeRules::DEFAULT.lifetime, Duration::min)
    }

    /// Registers a type, or changes its rules. A local matter: other nodes keep their own.
    pub fn register(&mut self, value_type: ValueType, rules: TypeRules) {
        self.0.insert(value_type, rules);
    }
}

impl Default for ValueTypes {
    /// Returns the types of `docs/spec/secure.md#6.2`.
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const WEEK: u64 = 7 * 24 * 60 * MINUTE;
        Self(BTreeMap::from([
            (
                ValueType::USER_DATA,
                TypeRules::new(10 * MINUTE, Policy::Secured),
            ),
            (
                ValueType::DHT_MESSAGE,
                TypeRules::new(5 * MINUTE, Policy::Message),
            ),
            (
                ValueType::SERVICE,
                TypeRules::new(15 * MINUTE, Policy::Service),
            ),
            (
                ValueType::IM_MESSAGE,
                TypeRules::new(5 * MINUTE, Policy::Secured),
            ),
            (
                ValueType::TRUST_REQUEST,
                TypeRules::new(WEEK, Policy::Secured),
            ),
            (
                ValueType::ICE_CANDIDATES,
                TypeRules::new(MINUTE, Policy::Secured),
            ),
            (
                ValueType::CERTIFICATE,
                TypeRules::new(WEEK, Policy::Certificate),
            ),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_live_ten_minutes_and_are_open() {
        let rules = ValueTypes::default().rules(ValueType(4711));
        assert_eq!(rules, TypeRules::DEFAULT);
        assert_eq!(rules.lifetime, Duration::from_secs(600));
    }

    #[test]
    fn a_registered_type_follows_its_own_rules() {
        let mut types = ValueTypes::default();
        let rules = TypeRules::new(1, Policy::Secured);
        types.register(ValueType(4711), rules);
        assert_eq!(types.rules(ValueType(4711)), rules);
    }
}
