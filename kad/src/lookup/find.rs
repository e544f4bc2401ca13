//! [`Find`]: what operations want to know of each of the nearest nodes, and the requests, replies
//! and actions of an iteration.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{Contact, OpId, Timestamp};

/// What a find is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FindKind<Q> {
    /// Which nodes are nearest.
    Node,
    /// What the nearest nodes hold, as far as it meets the query.
    Value(Q),
}

/// A request of an iteration. `A` is what the caller asks in place of a find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindRequest<A> {
    /// Which nodes are near the key?
    Node,
    /// The same, and which values do you hold that meet the query of this find? A find has the id
    /// of its first operation.
    Value(OpId),
    /// What the caller asks; the reply names nodes near the key as well.
    Other(A),
}

/// What a node replied.
#[derive(Clone, Default, Debug)]
pub struct FindReply<'a, const N: usize> {
    /// Its write token.
    pub token: Option<Bytes>,
    /// The contacts in the reply.
    pub contacts: &'a [Contact<N>],
    /// Whether it had what was asked for.
    pub found: bool,
}

/// What an iteration wants done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FindAction<A, const N: usize> {
    /// Send this to that contact.
    Request(Contact<N>, FindRequest<A>),
    /// The find of these operations has been answered as well as it can be.
    Answered(Vec<OpId>, GetReport),
    /// Nothing to do before this moment, unless something happens.
    Wait(Timestamp),
}

/// Why a find or a put ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ended {
    /// No node was known that could be asked.
    #[default]
    NoContacts,
    /// All of the nearest nodes have answered; those that did not have failed.
    Converged,
    /// It has cost as many requests as it may.
    OutOfRequests,
    /// It has taken as long as it may.
    OutOfTime,
    /// It was ended before.
    Cancelled,
}

/// What became of a get, or of another find.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub struct GetReport {
    /// Nodes asked.
    pub asked: usize,
    /// Nodes that answered.
    pub answered: usize,
    /// The hops to the first node that had something, itself included; 0 if none had.
    pub hops: u8,
    /// Why it ended.
    pub ended: Ended,
}

impl Ended {
    /// Joins the ends of two address families: that which says more of what is missing.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let rank = |ended| match ended {
            Self::NoContacts => 0,
            Self::Converged => 1,
            Self::OutOfRequests => 2,
            Self::OutOfTime => 3,
            Self::Cancelled => 4,
        };
        if rank(self) < rank(other) {
            other
        } else {
            self
        }
    }
}

impl std::ops::AddAssign for GetReport {
    /// Joins the reports of two address families.
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.ended = self.ended.join(other.ended);
        self.hops = match (self.hops, other.hops) {
            (0, hops) | (hops, 0) => hops,
            (one, two) => one.min(two),
        };
    }
}

/// A question that each of the nearest candidates is asked once. Operations with an equal query
/// join it until its first request is sent.
#[derive(Debug)]
pub(super) struct Find<Q> {
    pub(super) kind: FindKind<Q>,
    /// The operations that want to know.
    pub(super) operations: BTreeSet<OpId>,
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) found: bool,
    /// See [`GetReport::hops`].
    pub(super) hops: u8,
    /// When it was first asked.
    pub(super) began: Option<Timestamp>,
}

impl<Q> Find<Q> {
    pub(super) fn new(operation: OpId, kind: FindKind<Q>) -> Self {
        Self {
            kind,
            operations: [operation].into(),
            asked: 0,
            answered: 0,
            found: false,
            hops: 0,
            began: None,
        }
    }

    pub(super) fn is_for_nodes(&self) -> bool {
        match self.kind {
            FindKind::Node => true,
            FindKind::Value(_) => false,
        }
    }

    /// Reports whether the nearest nodes on each path are asked: those of one path may be in
    /// league, and hide what there is.
    pub(super) fn needs_paths(&self) -> bool {
        !self.is_for_nodes() && !self.found
    }

    /// Notes that a node is asked.
    pub(super) fn on_asked(&mut self, now: Timestamp) {
        self.asked += 1;
        self.began.get_or_insert(now);
    }

    pub(super) fn report(&self, ended: Ended) -> GetReport {
        GetReport {
            asked: self.asked,
            answered: self.answered,
            hops: self.hops,
            ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_two_families_add_up_to_the_shorter_way() {
        let report = |asked, answered, hops| GetReport {
            asked,
            answered,
            hops,
            ended: Ended::Converged,
        };
        for (hops, other, both) in [(0, 3, 3), (3, 0, 3), (2, 3, 2), (3, 2, 2), (0, 0, 0)] {
            let mut sum = report(5, 4, hops);
            sum += report(3, 1, other);
            assert_eq!(sum, report(8, 5, both));
        }
    }
}
