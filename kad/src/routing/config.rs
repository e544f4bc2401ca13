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
            bootstrap_mode: false,
        }
    }
}

impl RoutingConfig {
    /// Returns one sentence for each setting that is out of its range.
    #[must_use]
    pub fn violations(&self) -> Vec<&'static str> {
        let sizes = (1..=20).contains(&self.bucket_size);
        [(sizes, "routing.bucket_size must be 1 to 20")]
            .into_iter()
            .filter_map(|(holds, violation)| (!holds).then_some(violation))
            .collect()
    }
}
