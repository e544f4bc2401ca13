//! [`Kind`]: what a value is, how long storing nodes keep it, and who may replace it.

use std::collections::BTreeMap;
use std::time::Duration;

/// A value type's number (`docs/spec/secure.md#6.2`). Any number may travel; those not registered
/// follow [`Rules::DEFAULT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Kind(pub u16);

/// How values of one kind are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// How long a value lives after its creation or last refresh.
    pub lifetime: Duration,
    /// Who may store and replace.
    pub policy: Policy,
}

/// Who may store and replace values of a kind (`docs/spec/secure.md#6`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Anyone may store, nobody may replace; signatures are not checked on storing.
    Open,
    /// Signed values are stored only if they verify, and replaced only by their owner with a higher sequence number.
    Secured,
    /// As [`Policy::Secured`], and the payload must name a service.
    Message,
    /// As [`Policy::Open`]; the payload's address is replaced by the sender's.
    Service,
    /// Stored only under the id of the key that the payload certifies; replaced only for the same key.
    Certificate,
}

/// The kinds a node knows, by number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kinds(BTreeMap<Kind, Rules>);

impl Kind {
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

impl Rules {
    /// What holds for kinds that are not registered.
    pub const DEFAULT: Self = Self::new(10 * 60, Policy::Open);

    const fn new(lifetime_secs: u64, policy: Policy) -> Self {
        Self {
            lifetime: Duration::from_secs(lifetime_secs),
            policy,
        }
    }
}

impl Kinds {
    /// The rules of a kind.
    pub fn rules(&self, kind: Kind) -> Rules {
        self.0.get(&kind).copied().unwrap_or(Rules::DEFAULT)
    }

    /// Registers a kind, or changes its rules. A local matter: other nodes keep their own.
    pub fn register(&mut self, kind: Kind, rules: Rules) {
        self.0.insert(kind, rules);
    }
}

impl Default for Kinds {
    /// The kinds of `docs/spec/secure.md#6.2`.
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const WEEK: u64 = 7 * 24 * 60 * MINUTE;
        Self(BTreeMap::from([
            (Kind::USER_DATA, Rules::new(10 * MINUTE, Policy::Secured)),
            (Kind::DHT_MESSAGE, Rules::new(5 * MINUTE, Policy::Message)),
            (Kind::SERVICE, Rules::new(15 * MINUTE, Policy::Service)),
            (Kind::IM_MESSAGE, Rules::new(5 * MINUTE, Policy::Secured)),
            (Kind::TRUST_REQUEST, Rules::new(WEEK, Policy::Secured)),
            (Kind::ICE_CANDIDATES, Rules::new(MINUTE, Policy::Secured)),
            (Kind::CERTIFICATE, Rules::new(WEEK, Policy::Certificate)),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kinds_live_ten_minutes_and_are_open() {
        let rules = Kinds::default().rules(Kind(4711));
        assert_eq!(rules, Rules::DEFAULT);
        assert_eq!(rules.lifetime, Duration::from_secs(600));
    }

    #[test]
    fn a_registered_kind_follows_its_own_rules() {
        let mut kinds = Kinds::default();
        let rules = Rules::new(1, Policy::Secured);
        kinds.register(Kind(4711), rules);
        assert_eq!(kinds.rules(Kind(4711)), rules);
    }
}
