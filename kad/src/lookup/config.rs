//! [`IterateConfig`]: width and parallelism of an iteration.

use std::time::Duration;

/// What an iteration is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct IterateConfig {
    /// How many of the nearest nodes must have answered (k).
    pub bucket_size: usize,
    /// Responsive nodes kept among the candidates, and as many that were only named; at least
    /// `bucket_size`.
    pub width: usize,
    /// Requests in flight (alpha).
    pub parallelism: usize,
    /// The same, if an application waits for the outcome and most requests stay without a reply.
    pub parallelism_max: usize,
    /// How long any node may take to reply, to a third attempt if need be.
    pub any_node_timeout: Duration,
    /// Requests that one find may cost.
    pub max_requests: usize,
    /// How long a find may take from its first request on.
    pub max_time: Duration,
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
        }
    }
}
