//! [`Queue`]: what waits for something, each once, in the order in which it came.

use std::collections::{BTreeSet, VecDeque};

/// What waits, by its name.
#[derive(Debug)]
pub(super) struct Queue<K> {
    order: VecDeque<K>,
    /// The same, to be found by name.
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
    /// Lets one more wait, unless it does.
    pub(super) fn push(&mut self, name: K) {
        if self.members.insert(name) {
            self.order.push_back(name);
        }
    }

    /// Returns the one that has waited longest.
    pub(super) fn front(&self) -> Option<K> {
        self.order.front().copied()
    }

    /// Takes the one that has waited longest.
    pub(super) fn pop(&mut self) -> Option<K> {
        let name = self.order.pop_front()?;
        self.members.remove(&name);
        Some(name)
    }

    /// Returns how many wait.
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
        for name in [3, 1, 3, 2, 1] {
            queue.push(name);
        }
        assert_eq!((queue.front(), queue.len()), (Some(3), 3));
        assert_eq!(queue.pop(), Some(3));
        queue.push(3);
        let all: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(all, [1, 2, 3]);
    }
}
