//! [`OperationConfig`] and [`ConnectivityConfig`]: bounds and times of a node's own work.

use std::time::Duration;

/// Bounds of the application's operations.
#[derive(Clone, Debug)]
pub struct OperationConfig {
    /// Operations of the application at a time. Default 65,536; 220 to 350 bytes each.
    pub max: usize,
    /// Values or rows that one get or query hands out at most. Default 65,536 (ours).
    pub max_found: usize,
    /// Requests in a second for permanent puts and listens, unless listens need more to be renewed
    /// in time. Default 512 (ours), at least 1.
    pub background_rate_per_sec: u32,
    /// Permanent values are announced again this long before they would expire. Default 10 s.
    pub announce_margin: Duration,
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self {
            max: 65_536,
            max_found: 65_536,
            background_rate_per_sec: 512,
            announce_margin: Duration::from_secs(10),
        }
    }
}

/// What is done to get and stay connected.
#[derive(Clone, Debug)]
pub struct ConnectivityConfig {
    /// First wait between rounds of bootstrap pings; doubles up to a day. Default 10 s.
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
