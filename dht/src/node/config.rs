//! [`Config`]: every setting of a node, with unit, default, allowed range and the reason for it.
//!
//! Each section but the node's own is defined by the part that follows it. The defaults are
//! OpenDHT's (`docs/spec/node.md#1`) where peers are tuned to them, ours where they are not; each
//! of ours is marked.

use std::time::Duration;

use thiserror::Error;

use crate::lookup::LookupConfig;
use crate::routing::RoutingConfig;
use crate::storage::{ListenConfig, StorageConfig};
use crate::token::TokenConfig;
use crate::value_type::ValueTypes;
use crate::{InfoHash, TransportConfig};

const MINUTE: Duration = Duration::from_secs(60);

/// What a node is told at its start. Public fields over [`Config::default`]; checked by
/// [`Config::validate`].
///
/// ```
/// use bulla_dht::{Config, RoutingConfig};
///
/// let routing = RoutingConfig { bootstrap_mode: true, ..RoutingConfig::default() };
/// let config = Config { network: 7, routing, ..Config::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Default, Debug)]
pub struct Config {
    /// The node's id; `None` draws one at random.
    pub id: Option<InfoHash>,
    /// Messages of other networks are dropped. Default 0, the public one.
    pub network: u32,
    /// Ask not to be used as a node of the DHT: no table of others lists this node. Default
    /// `false`.
    pub client: bool,
    /// Reachable and long-lived: listens are renewed every [`ListenConfig::renewal_stable`].
    /// Default `false`.
    pub public_stable: bool,
    /// The value types known and their lifetimes.
    pub value_types: ValueTypes,
    /// Routing tables.
    pub routing: RoutingConfig,
    /// Lookups.
    pub lookup: LookupConfig,
    /// Requests and replies.
    pub transport: TransportConfig,
    /// Write tokens.
    pub tokens: TokenConfig,
    /// Values kept for others.
    pub storage: StorageConfig,
    /// Listens, of the application and of others.
    pub listen: ListenConfig,
    /// Copies of what is kept for others.
    pub hand_over: HandOverConfig,
    /// The application's operations.
    pub operations: OperationConfig,
    /// Getting and staying connected.
    pub connectivity: ConnectivityConfig,
}

/// A setting lies outside its range.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("configuration: {}", .violations.join("; "))]
pub struct ConfigError {
    /// One sentence for each setting at fault.
    pub violations: Vec<&'static str>,
}

impl Config {
    /// Checks every range.
    ///
    /// # Errors
    ///
    /// All violations at once, each naming the setting and its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let bucket_size = self.routing.bucket_size;
        let mut violations = self.routing.violations();
        violations.extend(self.lookup.violations(bucket_size));
        violations.extend(self.transport.violations());
        violations.extend(self.tokens.violations());
        violations.extend(
            self.listen
                .violations(bucket_size, self.routing.expire_time),
        );
        if self.connectivity.bootstrap_period.is_zero() {
            violations.push("connectivity.bootstrap_period must be above 0");
        }
        if self.value_types.shortest_lifetime() <= self.operations.announce_margin {
            violations.push("all value types must live for longer than operations.announce_margin");
        }
        if self.listen.max_per_source_and_key == 0 {
            violations.push("listen.max_per_source_and_key must be above 0");
        }
        if self.operations.background_rate_per_sec == 0 {
            violations.push("operations.background_rate_per_sec must be above 0");
        }
        if (self.hand_over.republish_after).is_some_and(|after| after < MINUTE) {
            violations.push("hand_over.republish_after must be at least a minute");
        }
        if self.id.is_some_and(|id| id.is_zero()) {
            violations.push("id must not be zero");
        }
        if violations.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { violations })
        }
    }
}

/// Bounds of the application's operations.
#[derive(Clone, Debug)]
pub struct OperationConfig {
    /// Operations of the application at a time. Default 65,536; 220 to 350 bytes each.
    pub max: usize,
    /// Values or rows that one get or query hands out at most. Default 65,536 (ours).
    pub max_found: usize,
    /// Requests in a second for permanent puts and listens, unless they need more to be renewed in
    /// time. Default 512 (ours), at least 1.
    pub background_rate_per_sec: u32,
    /// Requests in a second that permanent puts may need to be renewed in time; one that would need
    /// more is refused. Default 8,192 (ours), which pays for 65,536 values that live for ten
    /// minutes in both families.
    pub max_put_rate_per_sec: u32,
    /// Permanent values are announced again this long before they would expire. Default 10 s.
    pub announce_margin: Duration,
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self {
            max: 65_536,
            max_found: 65_536,
            background_rate_per_sec: 512,
            max_put_rate_per_sec: 8_192,
            announce_margin: Duration::from_secs(10),
        }
    }
}

/// When what is stored here is copied to other nodes. The reference does none of it by default.
#[derive(Clone, Debug)]
pub struct HandOverConfig {
    /// Nodes that show up near a key are given what is stored under it. Default `true` (ours).
    pub to_newcomers: bool,
    /// Values that live for longer than this and were not refreshed for as long are given to the
    /// nodes nearest to their keys, if they lack them; `None` for never. Default 10 min (ours).
    pub republish_after: Option<Duration>,
    /// A node that leaves gives what it stores to the nodes nearest to the keys, if they lack it.
    /// Default `true` (ours).
    pub on_leave: bool,
}

impl Default for HandOverConfig {
    fn default() -> Self {
        Self {
            to_newcomers: true,
            republish_after: Some(Duration::from_secs(600)),
            on_leave: true,
        }
    }
}

/// What is done to get and stay connected.
#[derive(Clone, Debug)]
pub struct ConnectivityConfig {
    /// First wait between rounds of bootstrap pings; doubles up to a day. Default 10 s, above 0.
    pub bootstrap_period: Duration,
    /// An operation of the application waits this long for a first good node before it starts
    /// without one. Default 10 s (ours: the reference waits as long as it is connecting).
    pub connect_timeout: Duration,
}

impl Default for ConnectivityConfig {
    fn default() -> Self {
        Self {
            bootstrap_period: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn all_violations_are_reported_at_once() {
        let mut config = Config::default();
        config.routing.bucket_size = 0;
        config.transport.attempts = 9;
        config.transport.response_time = Duration::MAX;
        config.hand_over.republish_after = Some(MINUTE.saturating_sub(Duration::from_millis(1)));
        let error = config.validate().unwrap_err();
        assert_eq!(error.violations.len(), 5, "{error}");
    }

    #[test]
    fn what_would_be_done_without_a_pause_is_refused() {
        let mut config = Config::default();
        config.connectivity.bootstrap_period = Duration::ZERO;
        config.operations.announce_margin = MINUTE;
        let error = config.validate().unwrap_err();
        assert_eq!(error.violations.len(), 2, "{error}");
    }
}
