//! [`Queue`]: all that is going to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

use super::happening::Happening;
use crate::Timestamp;

/// Ordered by time, then by the order of scheduling. The heap moves small keys; what happens stays where it is.
#[derive(Default)]
pub(super) struct Queue {
    order: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    happenings: Slab<Happening>,
    scheduled: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Timestamp, happening: Happening) {
        self.scheduled += 1;
        let slot = self.happenings.insert(happening);
        self.order.push(Reverse((at, self.scheduled, slot)));
    }

    pub(super) fn pop(&mut self) -> Option<(Timestamp, Happening)> {
        let Reverse((at, _, slot)) = self.order.pop()?;
        Some((at, self.happenings.remove(slot)))
    }

    /// When the next thing happens.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.peek().map(|Reverse((at, _, _))| *at)
    }

    /// How many things are going to happen.
    pub(super) fn len(&self) -> usize {
        self.happenings.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HostId;
    use super::*;

    #[test]
    fn what_is_earlier_happens_first_and_then_what_was_scheduled_first() {
        let mut queue = Queue::default();
        for (at, host) in [(5, 0), (3, 1), (5, 2), (3, 3), (4, 4)] {
            let happening = Happening::Join(HostId::new(host));
            queue.push(Timestamp::from_micros(at), happening);
        }
        assert_eq!(
            (queue.len(), queue.next()),
            (5, Some(Timestamp::from_micros(3)))
        );
        let order = std::iter::from_fn(|| match queue.pop()? {
            (at, Happening::Join(host)) => Some((at.as_micros(), host.number())),
            (_, other) => panic!("{other:?}"),
        });
        let order: Vec<_> = order.collect();
        assert_eq!(order, [(3, 1), (3, 3), (4, 4), (5, 0), (5, 2)]);
    }
}
