//! [`Config`]: every constant of a node, with unit, default, allowed range and the reason for it.
//!
//! The defaults are OpenDHT's (`docs/spec/node.md#1`) where peers are tuned to them, ours where
//! they are not; each of ours is marked.

use std::time::Duration;

use thiserror::Error;

use crate::InfoHash;
use crate::value_type::ValueTypes;

/// What a node is told at its start. Public fields over [`Config::default`]; checked by [`Config::validate`].
///
/// ```
/// use bulla_dht::Config;
///
/// let config = Config { network: 7, ..Config::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's id; `None` draws one at random.
    pub node_id: Option<InfoHash>,
    /// Messages of other networks are dropped. Default 0, the public one.
    pub network: u32,
    /// Ask not to be used as a node of the DHT: no table of others lists us. Default `false`.
    pub client: bool,
    /// Reachable and long-lived: listens are renewed every [`Config::listen_renewal_stable`]. Default `false`.
    pub public_stable: bool,
    /// Split buckets away from the own id as well, to know more nodes. Default `false`.
    pub bootstrap_mode: bool,
    /// The value types known and their lifetimes.
    pub value_types: ValueTypes,

    /// Nodes of a bucket, of a reply and holding a value (k). Default 8, 1 to 20; others expect 8.
    pub bucket_size: usize,
    /// Good nodes that a lookup keeps in sight. Default 14, at least `bucket_size`.
    pub lookup_width: usize,
    /// Requests a lookup has under way (alpha). Default 4, 1 to 16.
    pub lookup_parallelism: usize,
    /// Requests a get or a put has under way where most stay without an answer. Default 16 (ours: the reference keeps to
    /// alpha), `lookup_parallelism` to 64.
    pub lookup_parallelism_max: usize,
    /// Storing nodes that a listen subscribes to. Default 4, 1 to `bucket_size`.
    pub listen_nodes: usize,
    /// Lookups running or remembered, one for each key and address family. Default 131,072, two for each operation; about
    /// 3 kB each where nodes are known (ours: the reference keeps 2²⁰).
    pub max_lookups: usize,
    /// Operations of the application at a time. Default 65,536; 220 to 350 bytes each.
    pub max_operations: usize,

    /// A contact that replied this long ago is still good. Default 120 min.
    pub good_time: Duration,
    /// A contact silent for this long is no longer good; also the life of tokens and remote listeners. Default 10 min.
    pub expire_time: Duration,
    /// Where more than a quarter of all requests stay without an answer, only contacts heard of within this time are asked
    /// and named, if there are enough. Default 2 min (ours: the reference names all good ones).
    pub fresh_time: Duration,
    /// How often a request is sent before its target counts as gone, unless that has answered others since. Default 3, 1 to 5.
    pub attempts: u32,
    /// First wait for an answer when nothing is known of the network's speed, and the least time before a third attempt: a
    /// twentieth more. Default 1 s, at most 60 s.
    pub response_time: Duration,
    /// Least wait for an answer however fast the network is (ours). Default 50 ms, which a busy host near by may take.
    pub response_time_min: Duration,
    /// Refused tokens in a row after which a node counts as gone. Default 3.
    pub max_auth_errors: u32,
    /// First wait between rounds of bootstrap pings; doubles up to a day. Default 10 s.
    pub bootstrap_period: Duration,
    /// An application operation waits this long for a first good node before it starts without one. Default 10 s.
    pub connect_timeout: Duration,
    /// Requests in a second for permanent puts and listens, unless listens need more to be renewed in time. Default 512
    /// (ours).
    pub background_rate_per_sec: u32,
    /// Listens are renewed this long after the last answer, or later if there are so many that half of the background rate
    /// does not suffice (ours), but after [`Config::listen_renewal_stable`] in any case. Default 20 s.
    pub listen_renewal: Duration,
    /// The same for public, stable nodes. Default 290 s.
    pub listen_renewal_stable: Duration,
    /// Permanent values are announced again this long before they would expire. Default 10 s.
    pub announce_margin: Duration,
    /// Write token secrets change at a random moment of this span. Default 15 to 45 min.
    pub token_rotation: (Duration, Duration),
    /// A listen goes on this long after its last subscriber left, in case one returns. Default 0 (ours).
    pub listen_linger: Duration,
    /// A finished lookup's nodes are remembered for this long, to start the next on that key near it. Default 5 min.
    pub lookup_memory: Duration,

    /// Memory for values kept for others: packed bytes and 220 more for each. Default 64 MiB; `usize::MAX` for no limit.
    pub storage_limit_bytes: usize,
    /// Bytes of values kept for one source (an IPv4 address or an IPv6 /64). Default 16 MiB (ours).
    pub storage_limit_per_source_bytes: usize,
    /// Values under one key. Default 65,536.
    pub max_values_per_key: usize,
    /// Keys with values of others; also the remote listeners on all keys together. Default 1,048,576.
    pub max_keys: usize,
    /// Remote listeners on one key. Default 4,096 (ours); 200 to 330 bytes each.
    pub max_listeners_per_key: usize,
    /// Keys that one remote address may listen on. Default 16,384 (ours).
    pub max_listeners_per_source: usize,

    /// Requests answered in a second, from all. Default 8,192; `None` for no limit.
    pub rate_limit_per_sec: Option<u32>,
    /// Requests answered in a second to one IP address. Default 1,024; `None` for no limit.
    pub peer_rate_limit_per_sec: Option<u32>,
    /// Sessions of values that come in parts. Default 256 (ours).
    pub max_part_sessions: usize,
    /// Bytes held in unfinished parts. Default 32 MiB (ours).
    pub max_part_bytes: usize,
    /// Requests waiting for an answer. Default 65,536 (ours); about 1 kB each, 4 kB at most unless its
    /// values are more.
    pub max_requests: usize,
    /// Requests of lookups whose answer is not overdue, above which no further get or put begins, as the answers to all of
    /// them may come at once. Default 512 (ours), at least 1.
    pub max_awaited: usize,
    /// Values of strangers waiting for a verdict. Default 1,024 (ours); at most 64 kB each.
    pub max_pending_puts: usize,
    /// Answers held until an unproven address answers a ping. Default 1,024 (ours).
    pub max_deferred_replies: usize,
    /// Greatest answer to an address that proved nothing, in bytes. Default 600 (ours).
    pub unvalidated_reply_bytes: usize,
    /// How long an address that answered stays proven. Default 10 min (ours).
    pub validation_time: Duration,
}

/// A setting lies outside its range.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("configuration: {}", .violations.join("; "))]
pub struct ConfigError {
    /// One sentence for each setting at fault.
    pub violations: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const MIB: usize = 1 << 20;
        let secs = Duration::from_secs;
        Self {
            node_id: None,
            network: 0,
            client: false,
            public_stable: false,
            bootstrap_mode: false,
            value_types: ValueTypes::default(),
            bucket_size: 8,
            lookup_width: 14,
            lookup_parallelism: 4,
            lookup_parallelism_max: 16,
            listen_nodes: 4,
            max_lookups: 131_072,
            max_operations: 65_536,
            good_time: secs(120 * MINUTE),
            expire_time: secs(10 * MINUTE),
            fresh_time: secs(2 * MINUTE),
            attempts: 3,
            response_time: secs(1),
            response_time_min: Duration::from_millis(50),
            max_auth_errors: 3,
            bootstrap_period: secs(10),
            connect_timeout: secs(10),
            background_rate_per_sec: 512,
            listen_renewal: secs(20),
            listen_renewal_stable: secs(290),
            announce_margin: secs(10),
            token_rotation: (secs(15 * MINUTE), secs(45 * MINUTE)),
            listen_linger: Duration::ZERO,
            lookup_memory: secs(5 * MINUTE),
            storage_limit_bytes: 64 * MIB,
            storage_limit_per_source_bytes: 16 * MIB,
            max_values_per_key: 65_536,
            max_keys: MIB,
            max_listeners_per_key: 4_096,
            max_listeners_per_source: 16_384,
            rate_limit_per_sec: Some(8_192),
            peer_rate_limit_per_sec: Some(1_024),
            max_part_sessions: 256,
            max_part_bytes: 32 * MIB,
            max_requests: 65_536,
            max_awaited: 512,
            max_pending_puts: 1_024,
            max_deferred_replies: 1_024,
            unvalidated_reply_bytes: 600,
            validation_time: secs(10 * MINUTE),
        }
    }
}

impl Config {
    /// Checks every range.
    ///
    /// # Errors
    ///
    /// All violations at once, each naming the setting and its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (
                (1..=20).contains(&self.bucket_size),
                "bucket_size must be 1 to 20",
            ),
            (
                (self.bucket_size..=64).contains(&self.lookup_width),
                "lookup_width must be bucket_size to 64",
            ),
            (
                (1..=16).contains(&self.lookup_parallelism),
                "lookup_parallelism must be 1 to 16",
            ),
            (
                (self.lookup_parallelism..=64).contains(&self.lookup_parallelism_max),
                "lookup_parallelism_max must be lookup_parallelism to 64",
            ),
            (
                (1..=self.bucket_size).contains(&self.listen_nodes),
                "listen_nodes must be 1 to bucket_size",
            ),
            ((1..=5).contains(&self.attempts), "attempts must be 1 to 5"),
            (
                !self.response_time_min.is_zero() && self.response_time_min <= self.response_time,
                "response_time_min must be above 0 and at most response_time",
            ),
            (
                self.response_time <= Duration::from_secs(60),
                "response_time must be at most 60 s",
            ),
            (
                self.background_rate_per_sec > 0,
                "background_rate_per_sec must be above 0",
            ),
            (self.max_awaited > 0, "max_awaited must be above 0"),
            (
                self.listen_renewal <= self.listen_renewal_stable,
                "listen_renewal must be at most listen_renewal_stable",
            ),
            (
                self.listen_renewal < self.expire_time
                    && self.listen_renewal_stable < self.expire_time,
                "listen renewals must be shorter than expire_time",
            ),
            (
                self.token_rotation.0 >= Duration::from_secs(60)
                    && self.token_rotation.0 <= self.token_rotation.1,
                "token_rotation must be a span of at least 60 s",
            ),
            (
                self.unvalidated_reply_bytes >= 512,
                "unvalidated_reply_bytes must be at least 512, or lookups by others stall",
            ),
            (
                self.node_id.is_none_or(|id| !id.is_zero()),
                "node_id must not be zero",
            ),
        ];
        let violations: Vec<_> = checks
            .into_iter()
            .filter(|(holds, _)| !holds)
            .map(|(_, violation)| violation.to_owned())
            .collect();
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
    fn all_violations_are_told_at_once() {
        let config = Config {
            bucket_size: 0,
            attempts: 9,
            response_time: Duration::MAX,
            ..Config::default()
        };
        let error = config.validate().unwrap_err();
        assert_eq!(error.violations.len(), 4, "{error}");
    }
}
