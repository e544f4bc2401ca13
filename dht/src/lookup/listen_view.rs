//! [`ListenView`]: what one listen has reported, and which storing nodes hold it, so that each
//! value is told once when it appears and once when its last replica is lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::{Value, ValueId};
use crate::{InfoHash, Timestamp};

/// The values that a listen has reported and that some node holds.
#[derive(Debug)]
pub(crate) struct ListenView {
    /// Values remembered (`docs/spec/wire.md#11.5`).
    max_values: usize,
    /// Replicas remembered of one value.
    max_replicas: usize,
    reported: BTreeMap<ValueId, Vec<Reported>>,
    count: usize,
    /// When the copy of each node runs out, unless that is never.
    expiries: BTreeSet<Expiry>,
}

/// A node's copy of what it holds under an id, of which there is one.
type Expiry = (Timestamp, ValueId, InfoHash);

#[derive(Debug)]
struct Reported {
    value: Value,
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
        if self.count >= self.max_values {
            return false;
        }
        self.count += 1;
        self.reported.entry(id).or_default().push(Reported {
            value: value.clone(),
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
        Some(lost.value)
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
