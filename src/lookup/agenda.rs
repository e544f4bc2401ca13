//! What a lookup still has to do: how urgent it is, and when.

use super::frontier::Reach;
use super::{Goal, Lookup, RETRY, SECOND_CHANCE};
use crate::Timestamp;

impl Lookup {
    /// Whether all it serves goes on for ever, so that nobody waits for it: permanent puts and listens.
    pub(crate) fn can_wait(&self) -> bool {
        !self.is_idle() && self.questions.is_empty() && self.announces.len() == self.lasting
    }

    /// Whether it waits for an answer.
    pub(crate) fn is_waiting(&self) -> bool {
        let mut nearest = self.frontier.nearest(self.limits.bucket_size);
        nearest.any(|candidate| {
            let id = &candidate.contact.id;
            candidate.busy
                || self.announces.under_way().any(|(_, it)| it.awaits(id))
                || self.subscribes.under_way().any(|(_, it)| it.awaits(id))
        })
    }

    /// How many requests to have on their way: if somebody waits for the outcome so many that as many as configured will be
    /// answered, judged by those so far.
    pub(super) fn parallelism(&self) -> usize {
        let wanted = self.limits.parallelism;
        let mut questions = self.questions.under_way();
        let is_walk = questions.all(|(_, it)| it.goal == Goal::Nodes);
        if is_walk && self.announces.len() == self.lasting {
            return wanted;
        }
        let (answered, silent) = self.frontier.tally();
        (wanted * (answered + silent + 1) / (answered + 1)).min(self.limits.most_parallel)
    }

    /// Until when the late ones of the nearest candidates may be the ones that have something; `None` if there are none. As
    /// long as nothing was found they are waited for as long as a node may take that nothing is known of: those that
    /// answered lately may all be much nearer than these.
    pub(super) fn hope(&self, now: Timestamp) -> Option<Timestamp> {
        let nearest = self.frontier.iter().take(self.limits.bucket_size);
        let hopes = nearest.filter_map(|candidate| {
            let Reach::Late(count) = candidate.reach else {
                return None;
            };
            let until = candidate.asked_at + self.limits.any_node_timeout;
            if until > now {
                Some(until)
            } else {
                (count < SECOND_CHANCE).then_some(Timestamp::MAX)
            }
        });
        hopes.max()
    }

    /// When something will be due if nothing happens before: a renewal, a token that runs out, or the end
    /// of hope.
    pub(super) fn next_due(&self, now: Timestamp) -> Timestamp {
        let due = self.announces.next_at().min(self.subscribes.next_at());
        let due = due.min(self.next_token_end());
        let is_hoping = !self.questions.is_empty() || self.frontier.nearest(1).next().is_none();
        let end_of_hope = self.hope(now).filter(|_| is_hoping);
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
        if self.lasting == 0 && self.subscribes.is_empty() {
            return Timestamp::MAX;
        }
        let nearest = self.frontier.nearest(self.limits.bucket_size);
        let tokens = nearest
            .filter(|candidate| !candidate.busy)
            .filter_map(|candidate| candidate.token.as_ref());
        let ends = tokens.map(|token| token.at + self.limits.token_life);
        ends.min().unwrap_or(Timestamp::MAX)
    }
}
