//! [`SpinDetector`]: sees to it that no node wakes again and again for nothing.

use std::time::Duration;

use bulla_dht::Timestamp;

/// How often a node woke lately for nothing. Unanswered requests do not count: each has a time-out
/// of its own.
#[derive(Default, Debug)]
pub(super) struct SpinDetector {
    since: Timestamp,
    count: u32,
}

impl SpinDetector {
    /// Wake-ups for nothing that a node may have in [`SpinDetector::SPAN`].
    const LIMIT: u32 = 100;
    const SPAN: Duration = Duration::from_secs(10);

    /// Counts a wake-up for nothing, and reports whether there are too many.
    pub(super) fn is_spinning(&mut self, now: Timestamp) -> bool {
        if now.since(self.since) > Self::SPAN {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count += 1;
        self.count > Self::LIMIT
    }
}
