//! [`Queue`]: first in, first out, each item once.

use std::collections::{BTreeSet, VecDeque};

/// A queue without duplicates.
#[derive(Debug)]
pub(super) struct Queue<K> {
    order: VecDeque<K>,
    /// The same, to find duplicates.
    members: BTreeSet<K>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            members: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord> Queue<K> {
    /// Appends an item, unless it is queued already.
    pub(super) fn push(&mut self, item: K) {
        if self.members.insert(item) {
            self.order.push_back(item);
        }
    }

    /// Takes the first item.
    pub(super) fn pop(&mut self) -> Option<K> {
        let item = self.order.pop_front()?;
        self.members.remove(&item);
        Some(item)
    }

    /// Returns how many items are queued.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_once_and_the_first_goes_first() {
        let mut queue = Queue::default();
        for item in [3, 1, 3, 2, 1] {
            queue.push(item);
        }
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop(), Some(3));
        queue.push(3);
        let all: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(all, [1, 2, 3]);
    }
}
