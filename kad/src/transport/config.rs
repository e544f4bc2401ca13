//! [`TransportConfig`]: attempts, time-outs, rates and bounds of requests and replies.

use std::time::Duration;

/// What the transport of requests and replies is told at its start.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// How often a request is sent before its target counts as failed, unless that has answered
    /// others since. Default 3, 1 to 5.
    pub attempts: u32,
    /// First wait for a reply when nothing is known of the network's speed, and the least time
    /// before a third attempt: a twentieth more. Default 1 s, at most 60 s.
    pub response_time: Duration,
    /// Least wait for a reply however fast the network is (ours). Default 50 ms, which a host near
    /// by with much to do may take.
    pub response_time_min: Duration,
    /// Refused tokens in a row after which a node counts as failed. Default 3.
    pub max_auth_errors: u32,
    /// Requests answered in a second, from all. Half is for validated addresses, and a quarter for
    /// sources that send few. A put counts once for each value, and what has to look through many
    /// values counts for several. Default 8,192; `None` for no limit.
    pub rate_limit_per_sec: Option<u32>,
    /// Requests answered in a second to one source. Default 1,024; `None` for no limit.
    pub peer_rate_limit_per_sec: Option<u32>,
    /// Sessions of values that come in parts of which we asked for none. Default 256 (ours).
    pub max_part_sessions: usize,
    /// Bytes held in their unfinished parts. Default 16 MiB (ours).
    pub max_part_bytes: usize,
    /// Sessions of values that come in parts in reply to us. Default 512 (ours).
    pub max_reply_sessions: usize,
    /// Bytes held in their unfinished parts. Default 32 MiB (ours).
    pub max_reply_bytes: usize,
    /// Requests waiting for a reply. A quarter is for those that no other node gave rise to.
    /// Default 65,536 (ours); about 1 kB each, 4 kB at most unless its values are more.
    pub max_requests: usize,
    /// Requests of lookups in flight at most, and as many as at the start: the replies to all of
    /// them may come at once. Losses make them fewer. Default 512 (ours), at least 1.
    pub max_window: usize,
    /// Requests whose replies wait until an address is validated. Default 8,192 (ours).
    pub max_deferred_requests: usize,
    /// Bytes of deferred requests. Default 2 MiB (ours).
    pub max_deferred_bytes: usize,
    /// Greatest reply to an address that is not validated, in bytes. Default 600 (ours), at least
    /// 512.
    pub unvalidated_reply_bytes: usize,
    /// How long an address that answered stays validated. Default 10 min (ours).
    pub validation_time: Duration,
    /// How long datagrams of an address that broke the protocol are dropped. Default 1 h (ours: the
    /// reference never forgets).
    pub block_time: Duration,
    /// Addresses of which round trips, validation and faults are remembered; a quarter of them may
    /// not have been validated. Default 32,768 (ours); about 60 bytes each.
    pub max_peers: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            response_time: Duration::from_secs(1),
            response_time_min: Duration::from_millis(50),
            max_auth_errors: 3,
            rate_limit_per_sec: Some(8_192),
            peer_rate_limit_per_sec: Some(1_024),
            max_part_sessions: 256,
            max_part_bytes: 16 << 20,
            max_reply_sessions: 512,
            max_reply_bytes: 32 << 20,
            max_requests: 65_536,
            max_window: 512,
            max_deferred_requests: 8_192,
            max_deferred_bytes: 2 << 20,
            unvalidated_reply_bytes: 600,
            validation_time: Duration::from_secs(600),
            block_time: Duration::from_secs(3_600),
            max_peers: 32_768,
        }
    }
}

impl TransportConfig {
    /// Returns one sentence for each setting that is out of its range.
    #[must_use]
    pub fn violations(&self) -> Vec<&'static str> {
        [
            (
                (1..=5).contains(&self.attempts),
                "transport.attempts must be 1 to 5",
            ),
            (
                !self.response_time_min.is_zero() && self.response_time_min <= self.response_time,
                "transport.response_time_min must be above 0 and at most response_time",
            ),
            (
                self.response_time <= Duration::from_secs(60),
                "transport.response_time must be at most 60 s",
            ),
            (
                self.unvalidated_reply_bytes >= 512,
                "transport.unvalidated_reply_bytes must be at least 512, or lookups by others stall",
            ),
            (
                self.max_window > 0,
                "transport.max_window must be above 0",
            ),
            (
                self.max_peers >= 8,
                "transport.max_peers must be at least 8",
            ),
        ]
        .into_iter()
        .filter_map(|(holds, violation)| (!holds).then_some(violation))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_beyond_its_range_is_a_violation() {
        const MINUTE: Duration = Duration::from_secs(60);
        let violations = |change: fn(&mut TransportConfig)| {
            let mut config = TransportConfig::default();
            change(&mut config);
            config.violations().len()
        };
        let inside: [fn(&mut TransportConfig); 6] = [
            |it| it.attempts = 1,
            |it| it.attempts = 5,
            |it| it.response_time_min = it.response_time,
            |it| it.response_time = MINUTE,
            |it| it.unvalidated_reply_bytes = 512,
            |it| (it.max_window, it.max_peers) = (1, 8),
        ];
        assert_eq!(inside.map(violations), [0; 6]);
        let beyond: [fn(&mut TransportConfig); 8] = [
            |it| it.attempts = 0,
            |it| it.attempts = 6,
            |it| it.response_time_min = Duration::ZERO,
            |it| it.response_time_min = it.response_time * 2,
            |it| it.response_time = MINUTE * 2,
            |it| it.unvalidated_reply_bytes = 511,
            |it| it.max_window = 0,
            |it| it.max_peers = 1,
        ];
        assert_eq!(beyond.map(violations), [1; 8]);
    }
}
