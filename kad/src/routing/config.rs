//! [`RoutingConfig`]: sizes and ages of the routing table.

use std::time::Duration;

/// What a routing table is told at its start.
#[derive(Clone, Debug)]
pub struct RoutingConfig {
    /// Nodes of a bucket, of a reply, and holding a value (k). Default 8, 1 to 20; others expect 8.
    pub bucket_size: usize,
    /// A contact that replied this long ago is still good. Default 120 min.
    pub good_time: Duration,
    /// A contact silent for this long is no longer good; also the life of tokens and of remote
    /// listeners. Default 10 min.
    pub expire_time: Duration,
    /// Where more than a quarter of all requests stay without a reply, only contacts seen within
    /// this time are asked and shared, if there are enough. Default 2 min (ours: the reference
    /// shares all good ones).
    pub fresh_time: Duration,
    /// Contacts of a table at one IPv4 address or IPv6 /64. Default 2 (ours), at least 1.
    pub max_per_address: usize,
    /// Contacts of a table in one network: an IPv4 /24 or an IPv6 /56. Default 8 (ours), at least
    /// 1.
    pub max_per_network: usize,
    /// Contacts of one bucket in one network. Default 2 (ours), at least 1.
    pub max_per_network_in_bucket: usize,
    /// The bounds for addresses and networks hold for loopback, link-local, private (RFC 1918,
    /// `fc00::/7`) and shared (100.64.0.0/10) addresses too, of which many nodes may have one by
    /// right. Default `false` (ours).
    pub limit_private_networks: bool,
    /// Split buckets away from the own id as well, to know more nodes. Default `false`.
    pub bootstrap_mode: bool,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            bucket_size: 8,
            good_time: Duration::from_secs(120 * MINUTE),
            expire_time: Duration::from_secs(10 * MINUTE),
            fresh_time: Duration::from_secs(2 * MINUTE),
            max_per_address: 2,
            max_per_network: 8,
            max_per_network_in_bucket: 2,
            limit_private_networks: false,
            bootstrap_mode: false,
        }
    }
}

impl RoutingConfig {
    /// Returns one sentence for each setting that is out of its range.
    #[must_use]
    pub fn violations(&self) -> Vec<&'static str> {
        let sizes = (1..=20).contains(&self.bucket_size);
        let shares = [
            self.max_per_address,
            self.max_per_network,
            self.max_per_network_in_bucket,
        ];
        [
            (sizes, "routing.bucket_size must be 1 to 20"),
            (!shares.contains(&0), "routing.max_per_* must be at least 1"),
        ]
        .into_iter()
        .filter_map(|(holds, violation)| (!holds).then_some(violation))
        .collect()
    }
}
