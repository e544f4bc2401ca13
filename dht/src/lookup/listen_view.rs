//! [`ListenView`]: what one listen has reported, and which storing nodes hold it, so that each
//! value is told once when it appears and once when its last replica is lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::{Field, Row, Value, ValueId};
use crate::{InfoHash, Timestamp};

/// The values that a listen has reported and that some node holds.
///
/// Where there are too many, one that the node which told most of them told gives way: of those the
/// unsigned ones before the signed, of these the ones of the signer that has most, and of all these
/// the oldest. So a node that tells without end hides nothing that others tell, and what fills a
/// key hides nothing new.
#[derive(Debug)]
pub(crate) struct ListenView {
    /// Values remembered (`docs/spec/wire.md#11.5`).
    max_values: usize,
    /// Replicas remembered of one value.
    max_replicas: usize,
    reported: BTreeMap<ValueId, Vec<Reported>>,
    count: usize,
    /// The number of the last value that was reported.
    last: u64,
    /// What is remembered, by the node that told it first and by its signer, the oldest first.
    shares: BTreeMap<InfoHash, BTreeMap<Option<InfoHash>, BTreeMap<u64, ValueId>>>,
    /// Values that gave way to others.
    forgotten: u64,
    /// When the copy of each node runs out, unless that is never.
    expiries: BTreeSet<Expiry>,
}

/// A node's copy of what it holds under an id, of which there is one.
type Expiry = (Timestamp, ValueId, InfoHash);

#[derive(Debug)]
struct Reported {
    value: Value,
    number: u64,
    /// The node that told it first, and the owner of a signed one.
    teller: InfoHash,
    owner: Option<InfoHash>,
    /// The nodes that hold it, and when the copy of each runs out.
    replicas: BTreeMap<InfoHash, Timestamp>,
}

impl ListenView {
    pub(crate) fn new(max_values: usize, max_replicas: usize) -> Self {
        Self {
            max_values,
            max_replicas,
            reported: BTreeMap::new(),
            count: 0,
            last: 0,
            shares: BTreeMap::new(),
            forgotten: 0,
            expiries: BTreeSet::new(),
        }
    }

    /// Notes that `node` holds `value` until `expires`; reports whether that is news. A node holds
    /// one value of an id, so whatever else it held under this one has been edited: that goes
    /// without a word once its last replica is the new one.
    ///
    /// Nothing is verified here, so a sequence number proves nothing.
    pub(crate) fn add(&mut self, node: InfoHash, value: &Value, expires: Timestamp) -> bool {
        let id = value.id();
        self.lose(&node, id, |held| held != value);
        let known = self
            .reported
            .get_mut(&id)
            .and_then(|known| known.iter_mut().find(|entry| entry.value == *value));
        if let Some(same) = known {
            if same.replicas.len() < self.max_replicas || same.replicas.contains_key(&node) {
                let before = same.replicas.insert(node, expires);
                self.reschedule(node, id, before, expires);
            }
            return false;
        }
        if self.max_values == 0 {
            return false;
        }
        if self.count >= self.max_values {
            self.forget_one();
        }
        self.count += 1;
        self.last += 1;
        let owner = Row::of(value, &[Field::Owner].into()).owner;
        let owner = owner.filter(|id| !id.is_zero());
        let share = self.shares.entry(node).or_default().entry(owner);
        share.or_default().insert(self.last, id);
        self.reported.entry(id).or_default().push(Reported {
            value: value.clone(),
            number: self.last,
            teller: node,
            owner,
            replicas: BTreeMap::from([(node, expires)]),
        });
        self.reschedule(node, id, None, expires);
        true
    }

    /// Notes that `node` restarted the life of its value `id`.
    pub(crate) fn refresh(
        &mut self,
        node: &InfoHash,
        id: ValueId,
        expires: impl Fn(&Value) -> Timestamp,
    ) {
        let mut known = self.reported.get_mut(&id).into_iter().flatten();
        let held = known.find_map(|entry| Some((&entry.value, entry.replicas.get_mut(node)?)));
        if let Some((value, until)) = held {
            let (before, after) = (*until, expires(value));
            *until = after;
            self.reschedule(*node, id, Some(before), after);
        }
    }

    /// Notes that `node` lost its value `id`; returns what no node holds any more.
    pub(crate) fn remove(&mut self, node: &InfoHash, id: ValueId) -> Vec<Value> {
        self.lose(node, id, |_| true).into_iter().collect()
    }

    /// Takes what no node holds any more at `now`, in order of expiry. Each copy that runs out
    /// costs the logarithm of their number.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Value> {
        let mut lost = Vec::new();
        while let Some(&(_, id, node)) = self.expiries.first().filter(|(at, ..)| *at <= now) {
            lost.extend(self.lose(&node, id, |_| true));
        }
        lost
    }

    /// Returns when the next copy runs out; `None` if none ever does.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(at, ..)| *at)
    }

    /// Notes that `node` does not hold what it held under `id`, if that `is_gone`. Returns the
    /// value if it was its last replica.
    fn lose(
        &mut self,
        node: &InfoHash,
        id: ValueId,
        is_gone: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let known = self.reported.get_mut(&id)?;
        let place = (known.iter())
            .position(|entry| entry.replicas.contains_key(node) && is_gone(&entry.value))?;
        let until = known[place].replicas.remove(node)?;
        self.expiries.remove(&(until, id, *node));
        if !known[place].replicas.is_empty() {
            return None;
        }
        let lost = known.remove(place);
        if known.is_empty() {
            self.reported.remove(&id);
        }
        self.count -= 1;
        self.take_from_share(&lost);
        Some(lost.value)
    }

    /// Returns how many values gave way to others since the last call.
    pub(crate) fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Forgets the value that is to give way to another.
    fn forget_one(&mut self) {
        let size = |its: &BTreeMap<_, BTreeMap<u64, ValueId>>| -> usize {
            its.values().map(BTreeMap::len).sum()
        };
        let heaviest = self.shares.values().max_by_key(|its| size(its));
        let Some((number, id)) = heaviest.and_then(|its| {
            let of_most = || its.values().max_by_key(|of_owner| of_owner.len());
            its.get(&None).or_else(of_most)?.first_key_value()
        }) else {
            return;
        };
        let (number, id) = (*number, *id);
        let Some(known) = self.reported.get_mut(&id) else {
            return;
        };
        let Some(place) = known.iter().position(|it| it.number == number) else {
            return;
        };
        let forgotten = known.remove(place);
        if known.is_empty() {
            self.reported.remove(&id);
        }
        for (node, until) in &forgotten.replicas {
            self.expiries.remove(&(*until, id, *node));
        }
        self.count -= 1;
        self.forgotten += 1;
        self.take_from_share(&forgotten);
    }

    fn take_from_share(&mut self, gone: &Reported) {
        let Some(owners) = self.shares.get_mut(&gone.teller) else {
            return;
        };
        if let Some(numbers) = owners.get_mut(&gone.owner) {
            numbers.remove(&gone.number);
            if numbers.is_empty() {
                owners.remove(&gone.owner);
            }
        }
        if owners.is_empty() {
            self.shares.remove(&gone.teller);
        }
    }

    /// Notes when the copy of a node runs out, and no longer when it would have `before`.
    fn reschedule(
        &mut self,
        node: InfoHash,
        id: ValueId,
        before: Option<Timestamp>,
        expires: Timestamp,
    ) {
        if let Some(before) = before {
            self.expiries.remove(&(before, id, node));
        }
        if expires < Timestamp::MAX {
            self.expiries.insert((expires, id, node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, wire};

    const NEVER: Timestamp = Timestamp::MAX;

    #[test]
    fn a_node_that_tells_without_end_hides_nothing_that_others_tell() {
        let mut view = ListenView::new(10, 4);
        let told = |view: &mut ListenView, byte, id| view.add(node(byte), &value(id), NEVER);
        assert!((1..=3).all(|id| told(&mut view, 1, id)));
        assert!((100..200).all(|id| told(&mut view, 2, id)));
        assert_eq!((view.count, view.take_forgotten()), (10, 93));
        assert!(
            (1..=3).all(|id| !told(&mut view, 1, id)),
            "they are remembered"
        );
        assert!(told(&mut view, 1, 4), "and another is told");
        assert!((4..=20).filter(|id| told(&mut view, 1, *id)).count() == 16);
        assert!((view.count, view.take_forgotten()) == (10, 17));
        assert_eq!(view.shares.len(), 2, "of either half");
    }

    #[test]
    fn what_fills_a_key_hides_nothing_new_and_what_is_lost_leaves_no_share() {
        let mut view = ListenView::new(4, 4);
        assert!((1..=50).all(|id| view.add(node(1), &value(id), NEVER)));
        for id in 1..=50 {
            view.remove(&node(1), ValueId(id));
        }
        assert_eq!((view.count, view.shares.len()), (0, 0));
        assert!(view.expiries.is_empty() && view.reported.is_empty());
    }

    fn node(byte: u8) -> InfoHash {
        InfoHash::new([byte; InfoHash::LEN])
    }

    fn value(id: u64) -> Value {
        wire::pack(&Draft::from("text"), ValueId(id))
    }
}
