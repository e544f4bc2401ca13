//! [`Uplink`]: how long what was sent takes to leave.
//!
//! Large requests are counted, one after the other, as if they stood in a queue that a slow uplink
//! works off. Each notes its place at the end of the queue; its answer shows that all before it has
//! left, and how fast. Nothing is known of small requests: where there are only these, waits are as
//! if the uplink took no time. As long as nothing has been answered, a small request to the same
//! node shows whether a large one stands in the queue still, or was lost in part.

use std::time::Duration;

use crate::Timestamp;

/// Bytes of a request, headers included, from which on it is counted.
const LARGE: usize = 256;
/// Bytes of the headers of IP and UDP.
const HEADERS: usize = 28;
/// Nanoseconds that a byte is taken to need as long as nothing is known: a megabit in a second.
const FIRST_GUESS: u64 = 8_000;
/// The same on the slowest uplink reckoned with: a twentieth of that.
const SLOWEST: u64 = 20 * FIRST_GUESS;

/// The queue of what was sent, and how fast it is worked off.
#[derive(Debug)]
pub(super) struct Uplink {
    /// Bytes sent.
    sent: u64,
    /// Bytes that have left, as far as answers show.
    left: u64,
    /// When the last answer showed that, or the queue began.
    since: Timestamp,
    /// Nanoseconds that a byte needs.
    byte_time: u64,
}

/// The end of what had been sent when a request was, in bytes.
pub(super) type Mark = u64;

impl Uplink {
    pub(super) fn new() -> Self {
        Self {
            sent: 0,
            left: 0,
            since: Timestamp::ZERO,
            byte_time: FIRST_GUESS,
        }
    }

    /// Counts a request of these datagrams, if it is large, and returns its place.
    pub(super) fn send(&mut self, now: Timestamp, sizes: impl Iterator<Item = usize>) -> Mark {
        let bytes: usize = sizes.map(|size| size + HEADERS).sum();
        if self.sent == self.left {
            self.since = now;
        }
        if bytes >= LARGE {
            self.sent += bytes as u64;
        }
        self.sent
    }

    /// Returns how much longer it takes until all has left.
    pub(super) fn delay(&self, now: Timestamp) -> Duration {
        self.delay_of(now, self.sent)
    }

    /// Returns how much longer it takes until what ends at `mark` has left.
    pub(super) fn delay_of(&self, now: Timestamp, mark: Mark) -> Duration {
        let bytes = mark.saturating_sub(self.left);
        let leaves_at = self.since + Duration::from_nanos(bytes.saturating_mul(self.byte_time));
        leaves_at.since(now)
    }

    /// Reports whether it is not known that what ends at `mark` has left.
    pub(super) fn may_hold(&self, mark: Mark) -> bool {
        mark > self.left
    }

    /// Notes that what ends at `mark` was answered, which takes `round_trip` on an idle path.
    pub(super) fn on_reply(&mut self, now: Timestamp, mark: Mark, round_trip: Duration) {
        let bytes = mark.saturating_sub(self.left);
        if bytes == 0 {
            return;
        }
        let left_at = (now - round_trip).max(self.since);
        let span = left_at.since(self.since).as_nanos() as u64;
        let sample = (span / bytes).min(SLOWEST);
        self.byte_time = self.byte_time.midpoint(sample);
        self.left = mark;
        self.since = left_at;
    }

    /// Notes that what ends at `mark` is overdue, and nothing shows that it has left; the uplink
    /// may be slower than thought. Reports whether there is more to wait for.
    pub(super) fn slow_down(&mut self, now: Timestamp, mark: Mark) -> bool {
        if self.delay_of(now, mark).is_zero() && self.byte_time < SLOWEST {
            self.byte_time = (self.byte_time * 2).min(SLOWEST);
        }
        !self.delay_of(now, mark).is_zero()
    }

    /// Notes that there is no hope for what ends at `mark`: it does not stand in the queue any
    /// more.
    pub(super) fn give_up(&mut self, now: Timestamp, mark: Mark) {
        if mark > self.left {
            self.left = mark;
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    #[test]
    fn small_requests_take_no_time() {
        let mut uplink = Uplink::new();
        for _ in 0..1_000 {
            let mark = uplink.send(START, [100].into_iter());
            assert!(!uplink.may_hold(mark));
        }
        assert_eq!(uplink.delay(START), Duration::ZERO);
    }

    #[test]
    fn answers_show_how_fast_the_queue_is_worked_off() {
        let mut uplink = Uplink::new();
        let marks = [(); 8].map(|()| uplink.send(START, [972].into_iter()));
        assert_eq!(uplink.delay_of(START, marks[0]), 8 * MS);
        assert_eq!(uplink.delay(START), 64 * MS);
        // Each takes 40 ms, and 2 ms more for the way.
        let mut now = START;
        for mark in &marks[..7] {
            now = now + 40 * MS;
            uplink.on_reply(now + 2 * MS, *mark, 2 * MS);
        }
        let delay = uplink.delay(now);
        assert!((38 * MS..=40 * MS).contains(&delay), "{delay:?}");
        assert!(uplink.may_hold(marks[7]) && !uplink.may_hold(marks[6]));
    }

    #[test]
    fn without_an_answer_the_uplink_is_taken_for_slower_up_to_a_bound() {
        let mut uplink = Uplink::new();
        let mark = uplink.send(START, [972].into_iter());
        let mut now = START;
        let mut count = 0;
        loop {
            now = now + uplink.delay_of(now, mark);
            if !uplink.slow_down(now, mark) {
                break;
            }
            count += 1;
        }
        assert_eq!((count, now), (5, START + 160 * MS));
        uplink.give_up(now, mark);
        assert!(!uplink.may_hold(mark));
    }
}
