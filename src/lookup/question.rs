//! [`Question`]: what a get or a walk wants to know of each of the nearest nodes.

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

/// Something each of the nearest candidates shall answer once.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) goal: Goal,
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) found: bool,
    /// See [`GetReport::hops`].
    pub(super) hops: u8,
}

/// What a question is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Goal {
    /// Which nodes are nearest.
    Nodes,
    /// What the nearest nodes hold.
    Values,
}

impl Question {
    pub(super) fn new(goal: Goal) -> Self {
        Self {
            goal,
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
