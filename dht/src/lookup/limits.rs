//! [`Limits`]: the part of the configuration that lookups follow.

use std::time::Duration;

use crate::config::Config;

/// The settings of a lookup; see [`Config`] for their meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) bucket_size: usize,
    pub(super) width: usize,
    pub(super) parallelism: usize,
    pub(super) most_parallel: usize,
    pub(super) listen_nodes: usize,
    pub(super) token_life: Duration,
    /// What any node may take to answer, to a third attempt if need be.
    pub(super) any_node_timeout: Duration,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            bucket_size: config.bucket_size,
            width: config.lookup_width,
            parallelism: config.lookup_parallelism,
            most_parallel: config.lookup_parallelism_max,
            listen_nodes: config.listen_nodes,
            token_life: config.expire_time,
            any_node_timeout: config.response_time * 23 / 20,
        }
    }
}
