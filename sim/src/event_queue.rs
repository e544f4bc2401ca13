//! [`EventQueue`]: all events to come, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

use super::event::Event;
use bulla_dht::Timestamp;

/// Ordered by time, then by the order of scheduling. The heap moves small keys; the events stay
/// where they are.
#[derive(Default)]
pub(super) struct EventQueue {
    order: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    events: Slab<Event>,
    scheduled: u64,
}

impl EventQueue {
    pub(super) fn push(&mut self, at: Timestamp, event: Event) {
        self.scheduled += 1;
        let slot = self.events.insert(event);
        self.order.push(Reverse((at, self.scheduled, slot)));
    }

    pub(super) fn pop(&mut self) -> Option<(Timestamp, Event)> {
        let Reverse((at, _, slot)) = self.order.pop()?;
        Some((at, self.events.remove(slot)))
    }

    /// Returns the time of the next event.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Returns how many events there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HostId;
    use super::*;

    #[test]
    fn what_is_earlier_happens_first_and_then_what_was_scheduled_first() {
        let mut queue = EventQueue::default();
        for (at, host) in [(5, 0), (3, 1), (5, 2), (3, 3), (4, 4)] {
            let event = Event::Join(HostId::new(host));
            queue.push(Timestamp::from_micros(at), event);
        }
        assert_eq!(
            (queue.len(), queue.next()),
            (5, Some(Timestamp::from_micros(3)))
        );
        let order = std::iter::from_fn(|| match queue.pop()? {
            (at, Event::Join(host)) => Some((at.as_micros(), host.number())),
            (_, other) => panic!("{other:?}"),
        });
        let order: Vec<_> = order.collect();
        assert_eq!(order, [(3, 1), (3, 3), (4, 4), (5, 0), (5, 2)]);
    }
}
