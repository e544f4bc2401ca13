//! [`LookupConfig`]: width, parallelism and bounds of lookups.

use std::time::Duration;

use bulla_kad::lookup::IterateConfig;

use crate::RoutingConfig;

/// What lookups are told at their start.
#[derive(Clone, Debug)]
pub struct LookupConfig {
    /// Good nodes that a lookup keeps among its candidates. Default 14, `routing.bucket_size` to
    /// 64.
    pub width: usize,
    /// Requests a lookup has in flight (alpha). Default 4, 1 to 16.
    pub parallelism: usize,
    /// Requests a get or a put has in flight where most stay without a reply. Default 16 (ours: the
    /// reference keeps to alpha), `parallelism` to 64.
    pub parallelism_max: usize,
    /// Lookups running or remembered, one for each key and address family. Default 131,072, two for
    /// each operation; about 3 kB each where nodes are known (ours: the reference keeps 2²⁰).
    pub max_lookups: usize,
    /// A finished lookup's nodes are remembered for this long, to start the next on that key near
    /// it. Default 5 min (ours: the reference remembers them for 62 min).
    pub memory: Duration,
    /// Requests that one get or put may cost in a family. Default 128 (ours), at least `width`.
    pub max_requests: usize,
    /// How long a get or put may take in a family from its first request on. Default 30 s (ours).
    pub max_time: Duration,
    /// Paths to a key (ours): a get that finds nothing has asked the nearest nodes known on each,
    /// and a put is given to these, so that a few nodes in league do not hide the others. Default
    /// 3, 1 to 4; in a quiet network they lead to the same nodes.
    pub paths: usize,
    /// Nodes at one IP address (IPv4) or /64 (IPv6) that a lookup has among its candidates. Default
    /// 2 (ours), at least 1. [`RoutingConfig::limit_private_networks`] tells of which addresses
    /// this and the next are bounds.
    pub max_per_address: usize,
    /// Nodes in one /24 (IPv4) or /56 (IPv6) that a lookup has among its candidates. Default 3
    /// (ours), at least 1.
    pub max_per_network: usize,
    /// Permanent puts and listens that are offered a contact that has just been validated. Default
    /// 1,024 (ours); the others learn of it when their tokens run out.
    pub max_introductions: usize,
}

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            width: 14,
            parallelism: 4,
            parallelism_max: 16,
            max_lookups: 131_072,
            memory: Duration::from_secs(300),
            max_requests: 128,
            max_time: Duration::from_secs(30),
            paths: 3,
            max_per_address: 2,
            max_per_network: 3,
            max_introductions: 1_024,
        }
    }
}

impl LookupConfig {
    /// Returns one sentence for each setting that is out of its range, for buckets of
    /// `bucket_size`.
    #[must_use]
    pub fn violations(&self, bucket_size: usize) -> Vec<&'static str> {
        [
            (
                (bucket_size..=64).contains(&self.width),
                "lookup.width must be routing.bucket_size to 64",
            ),
            (
                (1..=16).contains(&self.parallelism),
                "lookup.parallelism must be 1 to 16",
            ),
            (
                (self.parallelism..=64).contains(&self.parallelism_max),
                "lookup.parallelism_max must be lookup.parallelism to 64",
            ),
            (
                self.max_requests >= self.width,
                "lookup.max_requests must be at least lookup.width",
            ),
            (!self.max_time.is_zero(), "lookup.max_time must be above 0"),
            ((1..=4).contains(&self.paths), "lookup.paths must be 1 to 4"),
            (
                self.max_per_address > 0 && self.max_per_network > 0,
                "lookup.max_per_address and max_per_network must be above 0",
            ),
        ]
        .into_iter()
        .filter_map(|(holds, violation)| (!holds).then_some(violation))
        .collect()
    }
}

/// The settings of a lookup; see [`LookupConfig`] for their meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) iterate: IterateConfig,
    pub(super) listen_nodes: usize,
    pub(super) token_life: Duration,
}

impl Limits {
    pub(crate) fn new(
        config: &LookupConfig,
        routing: &RoutingConfig,
        response_time: Duration,
        listen_nodes: usize,
    ) -> Self {
        Self {
            iterate: IterateConfig {
                bucket_size: routing.bucket_size,
                width: config.width,
                parallelism: config.parallelism,
                parallelism_max: config.parallelism_max,
                any_node_timeout: response_time * 2,
                max_requests: config.max_requests,
                max_time: config.max_time,
                paths: config.paths,
                max_per_address: config.max_per_address,
                max_per_network: config.max_per_network,
                limit_private_networks: routing.limit_private_networks,
            },
            listen_nodes,
            token_life: routing.expire_time,
        }
    }

    /// Returns what it takes to renew an announcement each `renewal`, in millionths of a request a
    /// second: each of the nearest nodes is asked what it holds, and told to keep it. As much again
    /// is for bursts, and for nodes that come and go.
    pub(crate) fn renewal_cost(&self, renewal: Option<Duration>) -> u64 {
        let requests = 4 * self.iterate.bucket_size as u64;
        renewal.map_or(0, |renewal| {
            requests * 1_000_000_000 / (renewal.as_millis() as u64).max(1)
        })
    }

    pub(super) fn bucket_size(&self) -> usize {
        self.iterate.bucket_size
    }
}

#[cfg(test)]
impl Default for Limits {
    /// The limits of a node with default settings.
    fn default() -> Self {
        let response_time = crate::TransportConfig::default().response_time;
        let routing = RoutingConfig::default();
        Self::new(&LookupConfig::default(), &routing, response_time, 4)
    }
}
