//! [`Budget`]: a token bucket that counts in time.

use std::time::Duration;

use crate::Timestamp;

/// Savings that grow with time up to a limit, and that what is done is paid from.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// What is saved at most.
    limit: Duration,
    /// When that much will be saved again.
    full_at: Timestamp,
}

impl Budget {
    /// Returns a budget with savings at their limit from the start.
    pub fn full(limit: Duration) -> Self {
        let full_at = Timestamp::ZERO;
        Self { limit, full_at }
    }

    /// Returns a budget that has saved nothing when time begins.
    pub fn empty(limit: Duration) -> Self {
        let full_at = Timestamp::ZERO + limit;
        Self { limit, full_at }
    }

    /// Pays `cost`, on credit if less is saved.
    pub fn spend(&mut self, now: Timestamp, cost: Duration) {
        self.full_at = self.full_at.max(now) + cost;
    }

    /// Returns what is saved.
    pub fn saved(&self, now: Timestamp) -> Duration {
        self.limit.saturating_sub(self.full_at.since(now))
    }

    /// Returns the moment from which on nothing is owed.
    pub fn paid_at(&self) -> Timestamp {
        self.full_at - self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn savings_grow_with_time_up_to_the_limit() {
        let mut budget = Budget::empty(SECOND * 3);
        let at = |seconds| Timestamp::ZERO + SECOND * seconds;
        assert_eq!(budget.saved(at(0)), Duration::ZERO);
        assert_eq!(budget.saved(at(2)), SECOND * 2);
        assert_eq!(budget.saved(at(9)), SECOND * 3);
        budget.spend(at(9), SECOND);
        assert_eq!(budget.saved(at(9)), SECOND * 2);
        assert_eq!(Budget::full(SECOND * 3).saved(at(0)), SECOND * 3);
    }

    #[test]
    fn what_is_spent_on_credit_is_paid_later() {
        let mut budget = Budget::full(SECOND);
        let start = Timestamp::ZERO + SECOND * 10;
        assert!(budget.paid_at() <= start);
        budget.spend(start, SECOND * 5);
        assert_eq!(budget.saved(start), Duration::ZERO);
        assert_eq!(budget.paid_at(), start + SECOND * 4);
    }
}
