//! [`IterateConfig`]: width and parallelism of an iteration.

use std::time::Duration;

/// The settings of an iteration.
#[derive(Clone, Copy, Debug)]
pub struct IterateConfig {
    /// How many of the nearest nodes must have answered (k).
    pub bucket_size: usize,
    /// Responsive candidates kept, and as many unqueried ones; at least `bucket_size`.
    pub width: usize,
    /// Requests in flight (alpha).
    pub parallelism: usize,
    /// The most requests in flight when an application waits and many requests time out.
    pub parallelism_max: usize,
    /// How long a node that nothing is known of may take to reply, its third attempt included.
    pub any_node_timeout: Duration,
    /// Requests that one find may cost.
    pub max_requests: usize,
    /// How long a find may take from its first request on.
    pub max_time: Duration,
    /// Paths to the key, at most 4: the nearest nodes that are known on each must have answered
    /// before a find of values ends with nothing found, and are given what is put.
    pub paths: usize,
    /// Candidates at one IP address (IPv4) or /64 (IPv6), failed ones included.
    pub max_per_address: usize,
    /// Usable candidates in one /24 (IPv4) or /56 (IPv6).
    pub max_per_network: usize,
    /// Whether the two bounds are for private addresses too, of which many nodes may have one by
    /// right.
    pub limit_private_networks: bool,
}

impl Default for IterateConfig {
    fn default() -> Self {
        Self {
            bucket_size: 8,
            width: 14,
            parallelism: 4,
            parallelism_max: 16,
            any_node_timeout: Duration::from_secs(2),
            max_requests: 128,
            max_time: Duration::from_secs(30),
            paths: 3,
            max_per_address: 2,
            max_per_network: 3,
            limit_private_networks: false,
        }
    }
}
