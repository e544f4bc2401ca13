//! [`Congestion`]: how many requests of lookups may be in flight, in all and to one source.
//!
//! A window, as TCP has one: it grows by one for each reply up to its threshold, then by one for as
//! many replies as it holds, and halves when requests get lost, at most once in a round trip. What
//! is unanswered is in flight until its last attempt is overdue, so losses alone make a node ask
//! less. A single time-out is no loss of the whole window: a datagram gets lost now and then, and
//! nodes stop. A request that times out twice counts as one.
//!
//! Limits on requests are kept for each source address. One that lets two requests within a second
//! time out has a window of its own until it keeps up again; as long as it answers anything. An
//! address that answers nothing is taken for gone, and there is nothing to spare.

use std::collections::HashMap;
use std::time::Duration;

use super::TransportConfig;
use crate::{Source, Timestamp};

/// Requests in a second that a window begins with, by the round trip: what a node lets through by
/// default. Where replies take long more must be in flight for that.
const FIRST_RATE: u32 = 8_192;
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
/// A source that has not answered for this long while requests time out is taken for gone.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// Counts requests of lookups in flight, and says whether there is room for another.
#[derive(Debug)]
pub(super) struct Congestion {
    in_flight: usize,
    window: Window,
    /// Sources with requests in flight, and strained ones.
    sources: HashMap<Source, Destination>,
    /// How many of them have a window.
    strained: usize,
}

/// What is known of one source as a destination.
#[derive(Clone, Copy, Debug)]
struct Destination {
    in_flight: usize,
    replied_at: Timestamp,
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
    greatest: usize,
    /// When it was last made smaller. The loss of what was sent before says nothing new.
    cut_at: Timestamp,
}

impl Congestion {
    /// Begins with nothing in flight and a window as wide as it may be, until a round trip is known.
    pub(super) fn new(config: &TransportConfig) -> Self {
        let max = config.max_window;
        Self {
            in_flight: 0,
            window: Window::new(max, MIN_WINDOW.min(max), max),
            sources: HashMap::new(),
            strained: 0,
        }
    }

    /// Returns how many requests are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Reports whether there is room for another request.
    pub(super) fn has_room(&self) -> bool {
        self.window.has_room(self.in_flight)
    }

    /// Reports whether there is room for another request to a source.
    pub(super) fn has_room_at(&self, now: Timestamp, source: Source) -> bool {
        if self.strained == 0 {
            return true;
        }
        self.sources.get(&source).is_none_or(|known| {
            known
                .window
                .is_none_or(|window| window.has_room(known.in_flight))
                || now.since(known.replied_at) > GONE_AFTER
        })
    }

    /// Notes that a request was sent, while replies take so long as a rule; zero if none is known.
    pub(super) fn on_sent(&mut self, now: Timestamp, source: Source, round_trip: Duration) {
        self.window.on_sent(now, self.in_flight, round_trip);
        self.in_flight += 1;
        let known = self.sources.entry(source).or_insert(Destination {
            in_flight: 0,
            replied_at: now,
            lost_at: None,
            window: None,
        });
        known.in_flight += 1;
    }

    /// Notes that a request in flight was answered.
    pub(super) fn on_reply(&mut self, now: Timestamp, source: Source) {
        self.window.on_reply(self.in_flight);
        if let Some(known) = self.sources.get_mut(&source) {
            known.replied_at = now;
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

    /// Notes that a request which was sent at `sent_at` timed out for the `count`th time.
    pub(super) fn on_timeout(
        &mut self,
        now: Timestamp,
        source: Source,
        sent_at: Timestamp,
        count: u32,
    ) {
        if count == 2 {
            self.window.on_loss(now, sent_at);
        }
        if count != 1 {
            return;
        }
        let Some(known) = self.sources.get_mut(&source) else {
            return;
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
        if self.strained >= MAX_STRAINED {
            self.sources.retain(|_, known| !known.is_forgotten(now));
            let windows = self.sources.values().filter(|known| known.window.is_some());
            self.strained = windows.count();
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
        let was_cut = self.cut_at > Timestamp::ZERO && now.since(self.cut_at) < LOSS_MEMORY;
        if was_cut || round_trip.is_zero() {
            return;
        }
        let first = (round_trip * FIRST_RATE).as_secs() as usize * 1_000;
        let first = first.clamp(self.least * 2, self.greatest.max(self.least * 2));
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
        self.size = (self.size / 2).max(self.least);
        self.threshold = self.size;
        self.cut_at = now;
    }
}
