//! [`Congestion`]: how many requests of lookups may be in flight, in all and to one source.
//!
//! A window, as TCP has one: it grows by one for each reply up to its threshold, then by one for as
//! many replies as it holds, and halves when requests get lost, at most once in a round trip. What
//! is unanswered is in flight until its last attempt is overdue, so losses alone make a node ask
//! less. A single time-out says little: a datagram gets lost now and then. A request that times out
//! twice counts as lost.
//!
//! Limits on requests are kept for each source address. One that lets two requests within a second
//! time out has a window of its own until it keeps up again; as long as it answers anything. An
//! address that answers nothing while others do is taken for gone: there is nothing to spare, so a
//! number of requests to such addresses take no room.

use std::collections::HashMap;
use std::time::Duration;

use super::TransportConfig;
use crate::{Source, Timestamp};

/// Requests in a second that a window begins with, by the round trip: what a node lets through by
/// default. Where replies take long more must be in flight for that.
const FIRST_RATE: u32 = 8_192;
/// Requests in a second that no loss makes fewer, by the round trip: less than what a node lets
/// through from one source. On long paths losses are often mere chance.
const LEAST_RATE: u32 = 768;
/// How long the loss of requests is remembered when a burst begins.
const LOSS_MEMORY: Duration = Duration::from_secs(10);
/// The least window: even then lost requests find out whether there is room again.
const MIN_WINDOW: usize = 8;
/// The least window of one source.
const MIN_SOURCE_WINDOW: usize = 2;
/// Windows of single sources above which one counts as keeping up.
const SOURCE_KEEPS_UP: usize = 64;
/// A source that lets two requests time out within this span is strained.
const STRAIN_SPAN: Duration = Duration::from_secs(1);
/// How long a source's window is kept after it was made smaller, if nothing is in flight there.
const STRAIN_MEMORY: Duration = Duration::from_secs(10);
/// Sources strained at a time, above which no further one is noted.
const MAX_STRAINED: usize = 1_024;
/// Sources without requests in flight that are remembered before they are looked through.
const MAX_IDLE: usize = 1_024;
/// A source that has not answered for this long while requests time out is taken for gone.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// Requests to sources that may be gone which take no room: those nodes get nothing, so there is
/// hardly anything to spare.
const SUSPECT_ALLOWANCE: usize = 64;

/// Counts requests of lookups in flight, and says whether there is room for another.
#[derive(Debug)]
pub(super) struct Congestion {
    in_flight: usize,
    /// How many of them went to sources that may be gone.
    suspects: usize,
    /// When any source replied last.
    replied_at: Option<Timestamp>,
    window: Window,
    /// Sources with requests in flight, and strained ones.
    sources: HashMap<Source, Destination>,
    /// How many of them have a window.
    strained: usize,
    /// With so many sources those are forgotten of which nothing is worth remembering any more.
    next_sweep: usize,
}

/// What is known of one source as a destination.
#[derive(Clone, Copy, Debug)]
struct Destination {
    in_flight: usize,
    /// When it last replied while anything was in flight.
    replied_at: Option<Timestamp>,
    /// The last request that timed out for the first time.
    lost_at: Option<Timestamp>,
    /// Only if it is strained.
    window: Option<Window>,
}

/// How many requests may be in flight, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Window {
    size: usize,
    /// Below it the window grows fast.
    threshold: usize,
    least: usize,
    /// The same by the round trip, where there is one for all.
    least_by_rate: usize,
    greatest: usize,
    /// When it was last made smaller. The loss of what was sent before says nothing new.
    cut_at: Timestamp,
}

impl Congestion {
    /// Begins with nothing in flight and a window as wide as it may be, until a round trip is
    /// known.
    pub(super) fn new(config: &TransportConfig) -> Self {
        let max = config.max_window;
        Self {
            in_flight: 0,
            suspects: 0,
            replied_at: None,
            window: Window::new(max, MIN_WINDOW.min(max), max),
            sources: HashMap::new(),
            strained: 0,
            next_sweep: MAX_IDLE,
        }
    }

    /// Returns how many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Reports whether there is room for another request.
    pub(super) fn has_room(&self) -> bool {
        let spared = self.suspects.min(SUSPECT_ALLOWANCE);
        self.window.has_room(self.in_flight.saturating_sub(spared))
    }

    /// Reports whether there is room for another request to a source.
    pub(super) fn has_room_at(&self, now: Timestamp, source: Source) -> bool {
        if self.strained == 0 {
            return true;
        }
        self.sources.get(&source).is_none_or(|known| {
            let is_there = |at: Timestamp| now.since(at) <= GONE_AFTER;
            let is_full = |window: Window| !window.has_room(known.in_flight);
            !(known.window.is_some_and(is_full) && known.replied_at.is_some_and(is_there))
        })
    }

    /// Notes that a request was sent, while replies take so long as a rule; zero if none is known.
    pub(super) fn on_sent(&mut self, now: Timestamp, source: Source, round_trip: Duration) {
        self.window.on_sent(now, self.in_flight, round_trip);
        self.in_flight += 1;
        let known = self.sources.entry(source).or_insert(Destination {
            in_flight: 0,
            replied_at: None,
            lost_at: None,
            window: None,
        });
        known.in_flight += 1;
    }

    /// Notes that a request went to an address that let another time out, and reports whether it is
    /// suspect: its source may be gone.
    pub(super) fn suspect(&mut self, now: Timestamp, source: Source) -> bool {
        let known = self.sources.get(&source);
        let is_there = |at: Timestamp| now.since(at) <= GONE_AFTER;
        let is_suspect = !known
            .and_then(|known| known.replied_at)
            .is_some_and(is_there);
        self.suspects += usize::from(is_suspect);
        is_suspect
    }

    /// Notes that a suspect request is no longer in flight.
    pub(super) fn clear_suspect(&mut self) {
        self.suspects = self.suspects.saturating_sub(1);
    }

    /// Notes that a request in flight was answered.
    pub(super) fn on_reply(&mut self, now: Timestamp, source: Source) {
        self.replied_at = Some(now);
        self.window.on_reply(self.in_flight);
        if let Some(known) = self.sources.get_mut(&source) {
            known.replied_at = Some(now);
            if let Some(window) = &mut known.window {
                window.on_reply(known.in_flight);
                if window.size >= SOURCE_KEEPS_UP * 1_000 {
                    known.window = None;
                    self.strained -= 1;
                }
            }
        }
        self.on_left(now, source);
    }

    /// Notes that a request which was sent at `sent_at` timed out for the `count`th time; reports
    /// whether it has become suspect by that: its source has not replied since, though others have.
    pub(super) fn on_timeout(
        &mut self,
        now: Timestamp,
        source: Source,
        sent_at: Timestamp,
        count: u32,
        is_suspect: bool,
    ) -> bool {
        if count == 2 && !is_suspect {
            let replied_at = self.sources.get(&source).and_then(|known| known.replied_at);
            let has_replied = |at: Option<Timestamp>| at.is_some_and(|at| at >= sent_at);
            let is_gone = !has_replied(replied_at) && has_replied(self.replied_at);
            if is_gone {
                self.suspects += 1;
            } else {
                self.window.on_loss(now, sent_at);
            }
            return is_gone;
        }
        if count != 1 {
            return false;
        }
        let Some(known) = self.sources.get_mut(&source) else {
            return false;
        };
        let before = known.lost_at.replace(now);
        if let Some(window) = &mut known.window {
            window.on_loss(now, sent_at);
        } else if before.is_some_and(|before| now.since(before) <= STRAIN_SPAN)
            && self.strained < MAX_STRAINED
        {
            let half = known.in_flight / 2;
            let size = half.clamp(MIN_SOURCE_WINDOW, SOURCE_KEEPS_UP - 1);
            let mut window = Window::new(size, MIN_SOURCE_WINDOW, SOURCE_KEEPS_UP);
            window.cut_at = now;
            known.window = Some(window);
            self.strained += 1;
        }
        false
    }

    /// Notes that a request is no longer in flight.
    pub(super) fn on_left(&mut self, now: Timestamp, source: Source) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(known) = self.sources.get_mut(&source) else {
            return;
        };
        known.in_flight = known.in_flight.saturating_sub(1);
        if known.is_forgotten(now) {
            self.strained -= usize::from(known.window.is_some());
            self.sources.remove(&source);
        }
        if self.strained >= MAX_STRAINED || self.sources.len() >= self.next_sweep {
            self.sources.retain(|_, known| !known.is_forgotten(now));
            let windows = self.sources.values().filter(|known| known.window.is_some());
            self.strained = windows.count();
            self.next_sweep = MAX_IDLE.max(2 * self.sources.len());
        }
        let size = self.sources.len().max(16);
        if self.sources.capacity() > 16 * size {
            self.sources.shrink_to(2 * size);
        }
    }
}

impl Destination {
    fn is_forgotten(&self, now: Timestamp) -> bool {
        let is_fresh = |at: Timestamp| now.since(at) <= STRAIN_MEMORY;
        let lost = |at: Timestamp| now.since(at) <= STRAIN_SPAN;
        self.in_flight == 0
            && !self.window.is_some_and(|window| is_fresh(window.cut_at))
            && !self.lost_at.is_some_and(lost)
    }
}

impl Window {
    fn new(size: usize, least: usize, greatest: usize) -> Self {
        Self {
            size: size * 1_000,
            threshold: size * 1_000,
            least: least * 1_000,
            least_by_rate: 0,
            greatest: greatest * 1_000,
            cut_at: Timestamp::ZERO,
        }
    }

    fn has_room(&self, in_flight: usize) -> bool {
        in_flight * 1_000 < self.size
    }

    /// A burst begins with a window by the round trip, unless requests were lost lately. Should
    /// replies take longer than when it began, it may grow fast.
    fn on_sent(&mut self, now: Timestamp, in_flight: usize, round_trip: Duration) {
        let by_rate = |rate: u32| (round_trip * rate).as_secs() as usize * 1_000;
        self.least_by_rate = by_rate(LEAST_RATE).min(self.greatest);
        let was_cut = self.cut_at > Timestamp::ZERO && now.since(self.cut_at) < LOSS_MEMORY;
        if was_cut || round_trip.is_zero() {
            return;
        }
        let first = by_rate(FIRST_RATE).clamp(self.least * 2, self.greatest.max(self.least * 2));
        let first = first.min(self.greatest);
        if in_flight == 0 {
            self.size = first;
            self.threshold = first;
        }
        self.threshold = self.threshold.max(first);
    }

    /// A window that is not made use of does not grow.
    fn on_reply(&mut self, in_flight: usize) {
        if in_flight * 2_000 < self.size {
            return;
        }
        let growth = if self.size < self.threshold {
            1_000
        } else {
            1_000_000 / self.size.max(1)
        };
        self.size = (self.size + growth).min(self.greatest);
    }

    fn on_loss(&mut self, now: Timestamp, sent_at: Timestamp) {
        if sent_at < self.cut_at {
            return;
        }
        let least = self.least_by_rate.max(self.least).min(self.size);
        self.size = (self.size / 2).max(least);
        self.threshold = self.size;
        self.cut_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const START: Timestamp = Timestamp::ZERO;

    #[test]
    fn a_window_begins_by_the_round_trip_within_its_bounds() {
        for (round_trip, expected) in [(0, 512), (1, 16), (10, 81), (120, 512)] {
            let mut congestion = congestion();
            let sent = fill(&mut congestion, START, round_trip);
            assert_eq!(sent, expected, "{round_trip} ms");
        }
    }

    #[test]
    fn second_time_outs_halve_the_window_once_in_a_round_trip_and_replies_widen_it() {
        let mut congestion = congestion();
        assert_eq!(fill(&mut congestion, START, 120), 512);
        let mut now = START + 150 * MS;
        for number in 0..512u32 {
            congestion.on_timeout(now, source(number), START, 1, false);
            let is_suspect = congestion.on_timeout(now, source(number), START, 2, false);
            assert!(!is_suspect, "no source has replied");
        }
        assert!(!congestion.has_room(), "all are in flight still");
        for number in 0..512 {
            congestion.on_left(now, source(number));
        }
        assert_eq!(congestion.in_flight(), 0);
        assert_eq!(fill(&mut congestion, now, 120), 256);
        // As many replies as the window holds widen it by about one.
        now = now + 120 * MS;
        for number in 0..256 {
            congestion.on_reply(now, source(number));
            congestion.on_sent(now, source(number), 120 * MS);
        }
        assert_eq!(fill(&mut congestion, now, 120), 1);
    }

    #[test]
    fn a_network_that_loses_all_is_asked_hardly_anything() {
        let mut congestion = congestion();
        let mut now = START;
        let mut sent = 0;
        for _ in 0..10 {
            sent = fill(&mut congestion, now, 20);
            now = now + 1_500 * MS;
            for number in 0..sent as u32 {
                congestion.on_timeout(now, source(number), now - 1_500 * MS, 2, false);
                congestion.on_left(now, source(number));
            }
        }
        // What no loss makes less, at a round trip of 20 ms.
        assert_eq!(sent, LEAST_RATE as usize / 50);
        assert!(congestion.sources.is_empty());
    }

    #[test]
    fn an_address_that_drops_two_within_a_second_is_asked_less_until_it_keeps_up() {
        let mut congestion = congestion();
        let (strained, other) = (source(1), source(2));
        for _ in 0..8 {
            congestion.on_sent(START, strained, 120 * MS);
        }
        let lost = |congestion: &mut Congestion, ms: u32| {
            congestion.on_timeout(START + MS * ms, strained, START, 1, false);
        };
        lost(&mut congestion, 50);
        assert!(congestion.has_room_at(START + 50 * MS, strained));
        lost(&mut congestion, 60);
        let now = START + 60 * MS;
        assert!(congestion.has_room_at(now, strained), "it may be gone");
        congestion.on_reply(now, strained);
        assert!(!congestion.has_room_at(now, strained));
        assert!(congestion.has_room_at(now, other));
        for _ in 0..4 {
            congestion.on_reply(now, strained);
        }
        let mut more = 0;
        while congestion.has_room_at(now, strained) {
            congestion.on_sent(now, strained, 120 * MS);
            more += 1;
        }
        assert!((1..=3).contains(&more), "{more}");
        let later = now + GONE_AFTER + MS;
        assert!(congestion.has_room_at(later, strained), "it is gone");
        // Each reply lets one more follow, or two.
        for _ in 0..5_000 {
            congestion.on_reply(now, strained);
            while congestion.has_room_at(now, strained) && congestion.in_flight() <= SOURCE_KEEPS_UP
            {
                congestion.on_sent(now, strained, 120 * MS);
            }
        }
        assert!(congestion.has_room_at(now, strained), "it keeps up");
    }

    #[test]
    fn requests_to_the_dead_take_no_room_up_to_a_number() {
        let mut congestion = congestion();
        let alive = source(9_999);
        congestion.on_sent(START, alive, 2 * MS);
        for number in 0..2 * SUSPECT_ALLOWANCE as u32 {
            congestion.on_sent(START, source(number), 2 * MS);
        }
        assert!(!congestion.has_room());
        congestion.on_reply(START + 2 * MS, alive);
        let now = START + 150 * MS;
        for number in 0..2 * SUSPECT_ALLOWANCE as u32 {
            assert!(congestion.on_timeout(now, source(number), START, 2, false));
            assert!(!congestion.has_room());
        }
        for number in 0..SUSPECT_ALLOWANCE as u32 {
            congestion.clear_suspect();
            congestion.on_left(now, source(number));
        }
        assert!(congestion.has_room());
        congestion.on_sent(now, source(1), 2 * MS);
        assert!(congestion.suspect(now, source(1)));
    }

    #[test]
    fn memory_of_strained_addresses_is_bounded() {
        let mut congestion = congestion();
        for number in 0..3 * MAX_STRAINED as u32 {
            let source = source(number);
            for _ in 0..2 {
                congestion.on_sent(START, source, 120 * MS);
            }
            for _ in 0..2 {
                congestion.on_timeout(START, source, START, 1, false);
            }
            for _ in 0..2 {
                congestion.on_left(START + 1_500 * MS, source);
            }
        }
        assert!(congestion.sources.len() <= MAX_STRAINED + 1);
        assert_eq!(congestion.in_flight(), 0);
    }

    #[test]
    fn memory_of_addresses_that_replied_late_is_bounded() {
        let mut congestion = congestion();
        for number in 0..20 * MAX_IDLE as u32 {
            let now = START + 5 * MS * number;
            congestion.on_sent(now, source(number), 40 * MS);
            congestion.on_timeout(now, source(number), now, 1, false);
            congestion.on_reply(now, source(number));
        }
        assert!(congestion.sources.len() <= 2 * MAX_IDLE);
        assert_eq!(congestion.in_flight(), 0);
    }

    /// Sends to one source after the other while there is room; returns how often.
    fn fill(congestion: &mut Congestion, now: Timestamp, round_trip: u32) -> usize {
        let mut count = 0;
        while congestion.has_room() {
            congestion.on_sent(now, source(count), MS * round_trip);
            count += 1;
        }
        count as usize
    }

    fn congestion() -> Congestion {
        Congestion::new(&TransportConfig::default())
    }

    fn source(number: u32) -> Source {
        Source::of((number + (11 << 24)).to_be_bytes().into())
    }
}
