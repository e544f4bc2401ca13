//! [`StorageConfig`] and [`ListenConfig`]: bounds of what is kept for others and told to them.

use std::time::Duration;

/// Bounds of the store.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Memory for values kept for others: packed bytes and 220 more for each. Default 64 MiB;
    /// `usize::MAX` for no limit.
    pub limit_bytes: usize,
    /// Bytes of values kept for one source (an IPv4 address or an IPv6 /64). Default 16 MiB (ours).
    pub limit_per_source_bytes: usize,
    /// Values under one key. Default 65,536.
    pub max_values_per_key: usize,
    /// Keys with values of others; also the remote listeners on all keys together. Default
    /// 1,048,576 (ours: the reference keeps 2³⁰).
    pub max_keys: usize,
    /// Values of others waiting for a verdict. Default 1,024 (ours); at most 64 kB each.
    pub max_pending_puts: usize,
    /// The most bytes of values in one answer, unless a single value has more; each datagram that
    /// they take counts for 640 bytes besides, as a receiver's buffer counts. If there are more,
    /// half of it is used, and the rest can be read in pages. Default 64 KiB (ours: the reference
    /// answers with all), so that an ordinary buffer of 208 KiB holds the answers of several nodes.
    pub answer_bytes: usize,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            limit_bytes: 64 << 20,
            limit_per_source_bytes: 16 << 20,
            max_values_per_key: 65_536,
            max_keys: 1 << 20,
            max_pending_puts: 1_024,
            answer_bytes: 64 << 10,
        }
    }
}

/// Bounds of listens: those of the application, and those of others on this node.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// Storing nodes that a listen subscribes to. Default 4, 1 to `routing.bucket_size`.
    pub nodes: usize,
    /// Listens are renewed this long after the last reply, or later if there are so many that half
    /// of the background rate does not suffice (ours), but after `renewal_stable` in any case.
    /// Default 20 s.
    pub renewal: Duration,
    /// The same for public, stable nodes. Default 290 s.
    pub renewal_stable: Duration,
    /// Values that a listen of the application remembers. Default 4,096; a new one beyond takes the
    /// place of one that the node which told most of them told, unsigned ones first. What gave way
    /// is told as new if it is told again.
    pub max_values: usize,
    /// Storing nodes that a listen remembers of one value. Default 16 (ours).
    pub max_holders: usize,
    /// Remote listeners on one key. Default 4,096 (ours); 200 to 330 bytes each.
    pub max_per_key: usize,
    /// Listens of one remote source. Default 16,384 (ours).
    pub max_per_source: usize,
    /// Listens of one remote source on one key; the one renewed least lately gives way to a new
    /// one. Default 8 (ours): as many nodes behind one address hear of the same key.
    pub max_per_source_and_key: usize,
    /// Bytes of notices under way to remote listeners, and of what waits for them; a notice counts
    /// for 1 KiB more than its datagrams. Default 32 MiB (ours).
    pub max_notice_bytes: usize,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            nodes: 4,
            renewal: Duration::from_secs(20),
            renewal_stable: Duration::from_secs(290),
            max_values: 4_096,
            max_holders: 16,
            max_per_key: 4_096,
            max_per_source: 16_384,
            max_per_source_and_key: 8,
            max_notice_bytes: 32 << 20,
        }
    }
}

impl ListenConfig {
    /// Returns one sentence for each setting that is out of its range, for buckets of `bucket_size`
    /// and listeners that are forgotten after `lifetime`.
    #[must_use]
    pub fn violations(&self, bucket_size: usize, lifetime: Duration) -> Vec<&'static str> {
        [
            (
                (1..=bucket_size).contains(&self.nodes),
                "listen.nodes must be 1 to routing.bucket_size",
            ),
            (
                self.renewal <= self.renewal_stable,
                "listen.renewal must be at most listen.renewal_stable",
            ),
            (
                self.renewal < lifetime && self.renewal_stable < lifetime,
                "listen renewals must be shorter than routing.expire_time",
            ),
        ]
        .into_iter()
        .filter_map(|(holds, violation)| (!holds).then_some(violation))
        .collect()
    }
}
