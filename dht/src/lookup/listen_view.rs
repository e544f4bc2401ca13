//! [`ListenView`]: what one listen has reported, and which storing nodes hold it, so that each
//! value is told once when it appears and once when its last replica is lost.

use std::collections::BTreeMap;

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
}

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
        }
    }

    /// Notes that `node` holds `value` until `expires`; reports whether that is news. A node holds
    /// one value of an id, so whatever else it held under this one has been edited: that goes
    /// without a word once its last replica is the new one.
    ///
    /// Nothing is verified here, so a sequence number proves nothing.
    pub(crate) fn add(&mut self, node: InfoHash, value: &Value, expires: Timestamp) -> bool {
        let id = value.id();
        self.prune(id, |entry| {
            if entry.value != *value {
                entry.replicas.remove(&node);
            }
        });
        let known = self
            .reported
            .get_mut(&id)
            .and_then(|known| known.iter_mut().find(|entry| entry.value == *value));
        if let Some(same) = known {
            if same.replicas.len() < self.max_replicas || same.replicas.contains_key(&node) {
                same.replicas.insert(node, expires);
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
        true
    }

    /// Notes that `node` restarted the life of its value `id`.
    pub(crate) fn refresh(
        &mut self,
        node: &InfoHash,
        id: ValueId,
        expires: impl Fn(&Value) -> Timestamp,
    ) {
        for entry in self.reported.get_mut(&id).into_iter().flatten() {
            if let Some(until) = entry.replicas.get_mut(node) {
                *until = expires(&entry.value);
            }
        }
    }

    /// Notes that `node` lost its value `id`; returns what no node holds any more.
    pub(crate) fn remove(&mut self, node: &InfoHash, id: ValueId) -> Vec<Value> {
        self.prune(id, |entry| {
            entry.replicas.remove(node);
        })
    }

    /// Takes what no node holds any more at `now`.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Value> {
        let ids: Vec<_> = self.reported.keys().copied().collect();
        ids.into_iter()
            .flat_map(|id| self.prune(id, |entry| entry.replicas.retain(|_, until| *until > now)))
            .collect()
    }

    /// Returns when the next replica runs out.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.reported
            .values()
            .flatten()
            .flat_map(|entry| entry.replicas.values())
            .min()
            .copied()
    }

    fn prune(&mut self, id: ValueId, mut lose: impl FnMut(&mut Reported)) -> Vec<Value> {
        let Some(known) = self.reported.get_mut(&id) else {
            return Vec::new();
        };
        known.iter_mut().for_each(&mut lose);
        let lost: Vec<_> = known
            .extract_if(.., |entry| entry.replicas.is_empty())
            .map(|entry| entry.value)
            .collect();
        self.count -= lost.len();
        if known.is_empty() {
            self.reported.remove(&id);
        }
        lost
    }
}
