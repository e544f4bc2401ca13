//! [`Editions`]: the newest edition of each value that an operation has handed out.

use std::collections::BTreeMap;

use bulla_identity::LongKeyId;

use crate::value::ValueId;

/// The newest editions by signer and id. Where there are too many, the signer with most of them
/// loses the one that was handed out first: others cannot make an edition be forgotten.
#[derive(Debug)]
pub(super) struct Editions {
    max: usize,
    count: usize,
    /// The number of the last one.
    last: u64,
    by_signer: BTreeMap<LongKeyId, Signer>,
}

#[derive(Default, Debug)]
struct Signer {
    newest: BTreeMap<ValueId, (u16, u64)>,
    /// In the order in which they were handed out.
    order: BTreeMap<u64, ValueId>,
}

impl Editions {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            count: 0,
            last: 0,
            by_signer: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, id: ValueId, signer: LongKeyId) -> Option<u16> {
        let (seq, _) = self.by_signer.get(&signer)?.newest.get(&id)?;
        Some(*seq)
    }

    pub(super) fn insert(&mut self, id: ValueId, signer: LongKeyId, seq: u16) {
        self.last += 1;
        let its = self.by_signer.entry(signer).or_default();
        its.order.insert(self.last, id);
        match its.newest.insert(id, (seq, self.last)) {
            Some((_, number)) => drop(its.order.remove(&number)),
            None => self.count += 1,
        }
        if self.count > self.max {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let heaviest = self.by_signer.iter_mut();
        let Some((signer, its)) = heaviest.max_by_key(|(_, its)| its.newest.len()) else {
            return;
        };
        if let Some((_, id)) = its.order.pop_first() {
            its.newest.remove(&id);
            self.count -= 1;
        }
        if its.newest.is_empty() {
            let signer = *signer;
            self.by_signer.remove(&signer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{alice, bob};
    use super::*;

    #[test]
    fn the_signer_with_most_editions_loses_the_first() {
        let (alice, bob) = (alice().long_id(), bob().long_id());
        let mut editions = Editions::new(10);
        editions.insert(ValueId(1), alice, 7);
        for id in 1..=100 {
            editions.insert(ValueId(id), bob, 3);
        }
        assert_eq!(editions.get(ValueId(1), alice), Some(7));
        let known = (1..=100).filter(|id| editions.get(ValueId(*id), bob).is_some());
        assert!(known.eq(92..=100));
        editions.insert(ValueId(92), bob, 4);
        editions.insert(ValueId(200), bob, 1);
        assert_eq!(
            editions.get(ValueId(92), bob),
            Some(4),
            "it has just been handed out"
        );
        assert_eq!((editions.get(ValueId(93), bob), editions.count), (None, 10));
    }

    #[test]
    fn none_is_remembered_if_none_may_be() {
        let mut editions = Editions::new(0);
        editions.insert(ValueId(1), alice().long_id(), 7);
        assert_eq!(editions.get(ValueId(1), alice().long_id()), None);
        assert!(editions.by_signer.is_empty());
    }
}
