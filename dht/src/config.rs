//! [`Config`]: every setting of a node, with unit, default, allowed range and the reason for it.
//!
//! Each section stands in the room that follows it. The defaults are OpenDHT's
//! (`docs/spec/node.md#1`) where peers are tuned to them, ours where they are not; each of ours is
//! marked.

use std::time::Duration;

use thiserror::Error;

use crate::InfoHash;
use crate::TransportConfig;
use crate::lookup::LookupConfig;
use crate::node::{ConnectivityConfig, HandOverConfig, OperationConfig};
use crate::routing::RoutingConfig;
use crate::storage::{ListenConfig, StorageConfig};
use crate::token::TokenConfig;
use crate::value_type::ValueTypes;

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
        let error = config.validate().unwrap_err();
        assert_eq!(error.violations.len(), 4, "{error}");
    }
}
