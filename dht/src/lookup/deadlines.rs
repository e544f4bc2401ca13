//! What a lookup still has to do: how urgent it is, and when.

use super::{FindKind, LATE_LIMIT, Lookup, RETRY};
use crate::Timestamp;
use bulla_kad::lookup::CandidateState;

impl Lookup {
    /// Whether all it serves goes on for ever, so that nobody waits for it: permanent puts and listens.
    pub(crate) fn can_wait(&self) -> bool {
        !self.is_idle() && self.finds.is_empty() && self.announcements.len() == self.lasting
    }

    /// Whether it waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        let mut nearest = self.candidates.nearest(self.limits.bucket_size);
        nearest.any(|candidate| {
            let id = &candidate.contact.id;
            candidate.busy
                || self.announcements.under_way().any(|(_, it)| it.awaits(id))
                || self.subscriptions.under_way().any(|(_, it)| it.awaits(id))
        })
    }

    /// How many requests to have on their way: if somebody waits for the outcome so many that as many as configured will be
    /// answered, judged by those so far.
    pub(super) fn parallelism(&self) -> usize {
        let wanted = self.limits.parallelism;
        let mut finds = self.finds.under_way();
        let is_walk = finds.all(|(_, it)| it.goal == FindKind::Node);
        if is_walk && self.announcements.len() == self.lasting {
            return wanted;
        }
        let (answered, silent) = self.candidates.tally();
        (wanted * (answered + silent + 1) / (answered + 1)).min(self.limits.most_parallel)
    }

    /// Until when the late ones of the nearest candidates may be the ones that have something; `None` if there are none. As
    /// long as nothing was found they are waited for as long as a node may take that nothing is known of: those that
    /// answered lately may all be much nearer than these.
    pub(super) fn wait_for_late(&self, now: Timestamp) -> Option<Timestamp> {
        let nearest = self.candidates.iter().take(self.limits.bucket_size);
        let hopes = nearest.filter_map(|candidate| {
            let CandidateState::Unresponsive(count) = candidate.state else {
                return None;
            };
            let until = candidate.asked_at + self.limits.any_node_timeout;
            if until > now {
                Some(until)
            } else {
                (count < LATE_LIMIT).then_some(Timestamp::MAX)
            }
        });
        hopes.max()
    }

    /// When something will be due if nothing happens before: a renewal, a token that runs out, or the end
    /// of hope.
    pub(super) fn next_due(&self, now: Timestamp) -> Timestamp {
        let due = self
            .announcements
            .next_at()
            .min(self.subscriptions.next_at());
        let due = due.min(self.next_token_end());
        let is_hoping = !self.finds.is_empty() || self.candidates.nearest(1).next().is_none();
        let end_of_hope = self.wait_for_late(now).filter(|_| is_hoping);
        let due = due.min(end_of_hope.unwrap_or(Timestamp::MAX));
        if due > now {
            due
        } else if self.is_waiting() {
            // What is due has to wait for an answer, or for its absence.
            Timestamp::MAX
        } else {
            now + RETRY
        }
    }

    /// When the first of those that are given something for good runs out of its token.
    fn next_token_end(&self) -> Timestamp {
        if self.lasting == 0 && self.subscriptions.is_empty() {
            return Timestamp::MAX;
        }
        let nearest = self.candidates.nearest(self.limits.bucket_size);
        let tokens = nearest
            .filter(|candidate| !candidate.busy)
            .filter_map(|candidate| candidate.token.as_ref());
        let ends = tokens.map(|token| token.at + self.limits.token_life);
        ends.min().unwrap_or(Timestamp::MAX)
    }
}
