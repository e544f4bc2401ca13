//! [`Find`]: what gets or a walk want to know of each of the nearest nodes.

use std::collections::BTreeSet;

use super::OpId;
use crate::value::Query;

/// What became of a get.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub struct GetReport {
    /// Nodes asked.
    pub asked: usize,
    /// Nodes that answered.
    pub answered: usize,
    /// How many nodes in a row, each named by the one before, led to the first answer that had something; 0 if none had.
    pub hops: u8,
}

impl std::ops::AddAssign for GetReport {
    /// Joins the reports of two address families.
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.hops = match (self.hops, other.hops) {
            (0, hops) | (hops, 0) => hops,
            (one, two) => one.min(two),
        };
    }
}

/// Something each of the nearest candidates shall answer once, for all who wanted to know it before it was first asked.
#[derive(Debug)]
pub(super) struct Find {
    pub(super) goal: FindKind,
    /// Who wants to know.
    pub(super) operations: BTreeSet<OpId>,
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) found: bool,
    /// See [`GetReport::hops`].
    pub(super) hops: u8,
}

/// What a find is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FindKind {
    /// Which nodes are nearest.
    Node,
    /// What the nearest nodes hold.
    Value(Query),
}

impl Find {
    pub(super) fn new(operation: OpId, goal: FindKind) -> Self {
        Self {
            goal,
            operations: [operation].into(),
            asked: 0,
            answered: 0,
            found: false,
            hops: 0,
        }
    }

    pub(super) fn report(&self) -> GetReport {
        GetReport {
            asked: self.asked,
            answered: self.answered,
            hops: self.hops,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lookup::{Action, Latency, Limits, Lookup, LookupReply};
    use crate::value::{Condition, ValueId};
    use crate::{Config, Contact, InfoHash, Rng, Seed, Timestamp};

    #[test]
    fn who_wants_the_same_is_answered_together_unless_it_has_been_asked_already() {
        let mut rng = Seed::from_number(1).public();
        let mut lookup = Lookup::new(InfoHash::ZERO, Limits::new(&Config::default()));
        let nodes = [(); 8].map(|()| Contact::new(rng.hash(), ([192, 0, 2, 1], 4222).into()));
        lookup.offer(&nodes, true);
        let values = || FindKind::Value(Query::default());
        let other = FindKind::Value(Query {
            conditions: vec![Condition::Id(ValueId(7))],
            ..Query::default()
        });
        lookup.ask(Timestamp::ZERO, OpId(1), values());
        let first = poll(&mut lookup, &mut rng);
        lookup.ask(Timestamp::ZERO, OpId(2), values());
        lookup.ask(Timestamp::ZERO, OpId(3), values());
        lookup.ask(Timestamp::ZERO, OpId(4), other);
        lookup.ask(Timestamp::ZERO, OpId(5), values());
        lookup.ask(Timestamp::ZERO, OpId(6), values());
        // One who asked first, one who joined.
        lookup.cancel(OpId(2));
        lookup.cancel(OpId(6));
        let answered = run(&mut lookup, &mut rng, first);
        let expected = [vec![1], vec![3, 5], vec![4]];
        let expected = expected.map(|ops| (ops.into_iter().map(OpId).collect(), nodes.len()));
        assert_eq!(answered, expected);
        assert!(lookup.is_idle() && lookup.joined.is_empty());
    }

    /// Answers all that a lookup asks from `step` on: whose finds were answered, and of how many nodes each was asked.
    fn run(lookup: &mut Lookup, rng: &mut Rng, mut step: Action) -> Vec<(Vec<OpId>, usize)> {
        let (mut under_way, mut answered) = (Vec::new(), Vec::new());
        loop {
            match step {
                Action::LookupRequest(node, ask) => under_way.push((node.id, ask)),
                Action::Answered(ops, report) => answered.push((ops, report.asked)),
                Action::Announced(..) => panic!("nothing was announced"),
                Action::Wait(_) => {
                    let Some((node, ask)) = under_way.pop() else {
                        answered.sort();
                        return answered;
                    };
                    lookup.on_answer(Timestamp::ZERO, &node, &ask, LookupReply::default());
                }
            }
            step = poll(lookup, rng);
        }
    }

    fn poll(lookup: &mut Lookup, rng: &mut Rng) -> Action {
        let latency = Latency {
            typical: Duration::ZERO,
            of: &|_| None,
            slow_after: &|_| Duration::MAX,
        };
        lookup.poll(Timestamp::ZERO, false, &latency, rng)
    }
}
