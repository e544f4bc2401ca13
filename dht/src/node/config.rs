//! [`OperationConfig`], [`HandOverConfig`] and [`ConnectivityConfig`]: bounds and times of a node's
//! own work.

use std::time::Duration;

/// Bounds of the application's operations.
#[derive(Clone, Debug)]
pub struct OperationConfig {
    /// Operations of the application at a time. Default 65,536; 220 to 350 bytes each.
    pub max: usize,
    /// Values or rows that one get or query hands out at most. Default 65,536 (ours).
    pub max_found: usize,
    /// Requests in a second for permanent puts and listens, unless they need more to be renewed in
    /// time. Default 512 (ours), at least 1.
    pub background_rate_per_sec: u32,
    /// Requests in a second that permanent puts may need to be renewed in time; one that would need
    /// more is refused. Default 8,192 (ours), which pays for 65,536 values that live for ten minutes
    /// in both families.
    pub max_put_rate_per_sec: u32,
    /// Permanent values are announced again this long before they would expire. Default 10 s.
    pub announce_margin: Duration,
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self {
            max: 65_536,
            max_found: 65_536,
            background_rate_per_sec: 512,
            max_put_rate_per_sec: 8_192,
            announce_margin: Duration::from_secs(10),
        }
    }
}

/// When what is stored here is copied to other nodes. The reference does none of it by default.
#[derive(Clone, Debug)]
pub struct HandOverConfig {
    /// Nodes that show up near a key are given what is stored under it. Default `true` (ours).
    pub to_newcomers: bool,
    /// Values that live for longer than this and were not refreshed for as long are given to the
    /// nodes nearest to their keys, if they lack them; `None` for never. Default 10 min (ours).
    pub republish_after: Option<Duration>,
    /// A node that leaves gives what it stores to the nodes nearest to the keys, if they lack it.
    /// Default `true` (ours).
    pub on_leave: bool,
}

impl Default for HandOverConfig {
    fn default() -> Self {
        Self {
            to_newcomers: true,
            republish_after: Some(Duration::from_secs(600)),
            on_leave: true,
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
