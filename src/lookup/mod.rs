//! [`Lookup`]: what is to be asked of whom about one key, in one address family.
//!
//! A lookup knows no network. [`Lookup::poll`] says what to do next; `on_*` tell it what came of that. All operations
//! on a key share one: gets and walks are *questions* that each of the nearest candidates answers once, gets that want
//! the same together; puts are [`Announce`] plans, listens [`Subscribe`] plans. Of each a bounded number is under way
//! ([`Plans`]).
//!
//! ```text
//!   candidate:  live ──asked──▶ busy ──answer──▶ live, with token ──▶ put, listen
//!                 ▲               │ time-out
//!                 └──any answer── late ──all attempts in vain──▶ gone
//! ```
//!
//! A late candidate gives its place to the next, so a lookup does not wait for the dead; but "nothing found" waits
//! until each late one has had a second chance. One that *pauses*, taking longer than most answers do, has others
//! asked meanwhile; if as many as needed answer, and something was found, nobody waits for it.

mod agenda;
mod announce;
mod delta;
mod frontier;
mod limits;
mod listing;
mod plans;
mod pool;
mod question;
mod serve;
mod step;
mod subscribe;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use announce::Announce;
pub use announce::PutReport;
pub(crate) use delta::Delta;
pub(crate) use limits::Limits;
pub(crate) use pool::Pool;
pub use question::GetReport;
pub(crate) use question::Goal;
pub(crate) use step::{Answer, Ask, Step};
pub(crate) use walk::Pace;

use crate::value::{Query, ValueId};
use crate::{Contact, InfoHash, Rng, Timestamp};
use frontier::{Frontier, Reach, Token};
use plans::Plans;
use question::Question;
use subscribe::Subscribe;

/// Time-outs after which a late candidate is no longer waited for, if it has had the time that any node may take.
const SECOND_CHANCE: u32 = 2;
/// Requests of the walk on their way that are not waited for, above which no more are sent at once.
const MAX_UNAWAITED: usize = 16;
/// When to look again after something was due that could not be done at once.
const RETRY: Duration = Duration::from_millis(100);
/// How long a candidate that did not answer is left alone, unless it shows up by itself.
const GRUDGE: Duration = Duration::from_secs(60);

/// Names an operation of the application: a get, query, listen or put.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub(crate) u64);

/// All that is under way about one key in one address family.
#[derive(Debug)]
pub(crate) struct Lookup {
    frontier: Frontier,
    /// By the first who asked.
    questions: Plans<OpId, Question>,
    /// The questions that nobody has been asked yet, by what they want to know.
    unasked: BTreeMap<Query, OpId>,
    /// Who joined a question that another had asked, and which.
    joined: BTreeMap<OpId, OpId>,
    announces: Plans<ValueId, Announce>,
    /// Announcements that are repeated for good.
    lasting: usize,
    subscribes: Plans<OpId, Subscribe>,
    /// The nearest candidates when announcements and listens were last looked at, and whether each had given a token.
    standing: Vec<(InfoHash, bool)>,
    closed_sockets: Vec<u32>,
    /// Whether what it has to do has begun.
    has_begun: bool,
    /// Whether an operation of the application had a part in it.
    was_wanted: bool,
    limits: Limits,
}

impl Lookup {
    pub(crate) fn new(key: InfoHash, limits: Limits) -> Self {
        Self {
            frontier: Frontier::new(key, limits.width),
            questions: Plans::default(),
            unasked: BTreeMap::new(),
            joined: BTreeMap::new(),
            announces: Plans::default(),
            lasting: 0,
            subscribes: Plans::default(),
            standing: Vec::new(),
            closed_sockets: Vec::new(),
            has_begun: false,
            was_wanted: false,
            limits,
        }
    }

    /// Offers contacts, `proved` if they answered us lately. Says whether any was taken.
    pub(crate) fn offer(&mut self, contacts: &[Contact], proved: bool) -> bool {
        let mut taken = false;
        for contact in contacts {
            taken |= self.frontier.insert(*contact, proved, 1);
        }
        taken
    }

    /// Asks the nearest nodes.
    pub(crate) fn ask(&mut self, now: Timestamp, op: OpId, goal: Goal) {
        if self.is_idle() {
            self.frontier.start_over();
        }
        if let Goal::Values(query) = &goal {
            self.was_wanted = true;
            let name = *self.unasked.entry(query.clone()).or_insert(op);
            if let Some(same) = self.questions.get_mut(&name) {
                // What was held before somebody asked is no answer to him, but of this nothing is known yet.
                if same.askers.insert(op) {
                    self.joined.insert(op, name);
                }
                return;
            }
        }
        if (self.questions.insert(now, op, Question::new(op, goal))).is_some() {
            self.frontier.forget(op);
        }
    }

    /// Who wants to know the answer to a question.
    pub(crate) fn askers(&self, question: OpId) -> impl Iterator<Item = OpId> {
        let question = self.questions.get(&question);
        question
            .into_iter()
            .flat_map(|it| it.askers.iter().copied())
    }

    /// Which values a question is about.
    pub(crate) fn query(&self, question: OpId) -> Option<&Query> {
        match &self.questions.get(&question)?.goal {
            Goal::Values(query) => Some(query),
            Goal::Nodes => None,
        }
    }

    /// Announces a value, in place of any other of its id; gives the operation whose announcement this ends.
    pub(crate) fn announce(&mut self, now: Timestamp, announce: Announce) -> Option<OpId> {
        self.was_wanted = true;
        self.lasting += usize::from(announce.lasts());
        let replaced = (self.announces).insert(now, announce.value.id(), announce)?;
        self.lasting -= usize::from(replaced.lasts());
        Some(replaced.op)
    }

    /// Ends the announcement of a value.
    pub(crate) fn withdraw(&mut self, id: ValueId) {
        if let Some(announce) = self.announces.remove(&id) {
            self.lasting -= usize::from(announce.lasts());
        }
    }

    /// Listens.
    pub(crate) fn subscribe(&mut self, now: Timestamp, op: OpId) {
        self.was_wanted = true;
        self.subscribes.insert(now, op, Subscribe::default());
    }

    /// The announcement of a value.
    pub(crate) fn announced(&self, id: ValueId) -> Option<&Announce> {
        self.announces.get(&id)
    }

    /// Ends a question or listen.
    pub(crate) fn cancel(&mut self, op: OpId) {
        if let Some(subscribe) = self.subscribes.remove(&op) {
            self.closed_sockets.extend(subscribe.sockets());
            return;
        }
        let name = self.joined.remove(&op).unwrap_or(op);
        if let Some(question) = self.questions.get_mut(&name) {
            question.askers.remove(&op);
            if question.askers.is_empty() {
                self.end_question(name);
            }
        }
    }

    fn end_question(&mut self, name: OpId) -> Option<Question> {
        let question = self.questions.remove(&name)?;
        self.frontier.forget(name);
        for asker in &question.askers {
            self.joined.remove(asker);
        }
        if question.asked == 0
            && let Goal::Values(query) = &question.goal
        {
            self.unasked.remove(query);
        }
        Some(question)
    }

    /// Whether no operation needs it any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.questions.is_empty() && self.announces.is_empty() && self.subscribes.is_empty()
    }

    /// Gives back the memory of what is over, when no operation needs it any more; maps keep some even if they are empty.
    pub(crate) fn retire(&mut self) {
        self.frontier.shrink();
        self.questions = Plans::default();
        self.unasked = BTreeMap::new();
        self.joined = BTreeMap::new();
        self.announces = Plans::default();
        self.subscribes = Plans::default();
        self.standing = Vec::new();
    }

    /// Whether it has begun with what it has to do.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether somebody may want it again, and it can help him: walks go somewhere else each time.
    pub(crate) fn is_worth_remembering(&self) -> bool {
        self.was_wanted && self.frontier.iter().next().is_some()
    }

    /// How many of the nearest contacts to offer, if fewer candidates are live than one could know: enough to make up
    /// for those that do not answer.
    pub(crate) fn reach_wanted(&self) -> Option<usize> {
        let width = self.limits.width;
        let live = self.frontier.nearest(width).count();
        (live < width).then(|| width + self.frontier.iter().count() - live)
    }

    /// The sockets of subscriptions that ended since the last call.
    pub(crate) fn take_closed_sockets(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.closed_sockets)
    }

    /// What to do next. While `may_wait`, a lookup that knows nobody waits instead of giving up.
    pub(crate) fn poll(
        &mut self,
        now: Timestamp,
        may_wait: bool,
        pace: &Pace<'_>,
        rng: &mut Rng,
    ) -> Step {
        self.has_begun = true;
        self.frontier.forgive(now - GRUDGE);
        self.questions.begin(now);
        self.announces.begin(now);
        self.subscribes.begin(now);
        if let Some(step) = self.walk(now, pace) {
            return step;
        }
        let knows_somebody = self.frontier.nearest(1).next().is_some();
        if knows_somebody || !may_wait && self.hope(now).is_none() {
            let step = self.serve(now, rng).or_else(|| self.conclude(now));
            if let Some(step) = step {
                return step;
            }
        }
        self.has_begun = !self.is_idle();
        let next_pause = self.next_pause(now).unwrap_or(Timestamp::MAX);
        Step::Wait(self.next_due(now).min(next_pause))
    }

    /// `node` answered.
    pub(crate) fn on_answer(
        &mut self,
        now: Timestamp,
        node: &InfoHash,
        ask: &Ask,
        answer: Answer<'_>,
    ) {
        let mut hops = 1;
        if let Some(candidate) = self.frontier.get_mut(node) {
            hops = candidate.hops;
            candidate.on_answer();
            if ask.is_of_walk() {
                candidate.busy = false;
            }
            if let Some(bytes) = answer.token {
                candidate.token = Some(Token { bytes, at: now });
            }
        }
        match ask {
            Ask::Find => self.questions.for_each_under_way(|op, question| {
                if question.goal == Goal::Nodes {
                    question.answered += usize::from(self.frontier.on_answered(node, *op));
                }
            }),
            Ask::Get(op) => {
                if let Some(question) = self.questions.get_mut(op) {
                    question.answered += usize::from(self.frontier.on_answered(node, *op));
                    if answer.found && !question.found {
                        question.found = true;
                        question.hops = hops;
                    }
                }
            }
            Ask::Probe(id) | Ask::Check(id) => {
                if let Some(announce) = self.announces.stir(id) {
                    announce.on_probed(*node, answer.held);
                }
            }
            Ask::Put(id, _) | Ask::Refresh(id, _) => {
                if let Some(announce) = self.announces.stir(id) {
                    announce.on_acknowledged(*node, now);
                }
            }
            Ask::Listen { op, .. } => {
                let renew_at = now + answer.renewal;
                if let Some(subscribe) = self.subscribes.stir(op) {
                    subscribe.on_agreed(node, renew_at);
                }
            }
        }
        for contact in &answer.contacts {
            self.frontier
                .insert(*contact, false, hops.saturating_add(1));
        }
    }

    /// `node` sent a new write token by itself.
    pub(crate) fn on_token(&mut self, now: Timestamp, node: &InfoHash, bytes: Bytes) {
        if let Some(candidate) = self.frontier.get_mut(node) {
            candidate.token = Some(Token { bytes, at: now });
        }
    }

    /// `node` answered with an error: the token was wrong, or there is no such value to refresh.
    pub(crate) fn on_rejected(&mut self, node: &InfoHash, ask: &Ask, token_was_wrong: bool) {
        if let Some(candidate) = self.frontier.get_mut(node) {
            candidate.reach = Reach::Live;
            candidate.busy = false;
            if token_was_wrong {
                candidate.token = None;
            }
        }
        match ask {
            Ask::Put(id, _) | Ask::Refresh(id, _) => {
                if let Some(announce) = self.announces.stir(id) {
                    announce.on_rejected(*node);
                }
            }
            Ask::Listen { op, .. } => {
                if let Some(subscribe) = self.subscribes.stir(op) {
                    subscribe.on_rejected(node);
                }
            }
            Ask::Find | Ask::Get(_) | Ask::Probe(_) | Ask::Check(_) => {}
        }
    }

    /// `node` refused for good what it was asked.
    pub(crate) fn on_refused(&mut self, now: Timestamp, node: &InfoHash, ask: &Ask) {
        match ask {
            Ask::Put(id, _) | Ask::Refresh(id, _) => {
                if let Some(candidate) = self.frontier.get_mut(node) {
                    candidate.reach = Reach::Live;
                }
                if let Some(announce) = self.announces.stir(id) {
                    announce.on_refused(*node);
                }
            }
            Ask::Find | Ask::Get(_) | Ask::Probe(_) | Ask::Check(_) | Ask::Listen { .. } => {
                self.on_gone(now, node);
            }
        }
    }

    /// An answer of `node` is overdue, for the `count`th time.
    pub(crate) fn on_late(&mut self, node: &InfoHash, count: u32) {
        if let Some(candidate) = self.frontier.get_mut(node)
            && !matches!(candidate.reach, Reach::Gone(_))
        {
            candidate.reach = Reach::Late(count);
        }
    }

    /// `node`, which was asked just now, owes us an answer from before: this one is not waited for either. Only of so many,
    /// as strangers may name any number of nodes at an address that is silent.
    pub(crate) fn on_owing(&mut self, node: &InfoHash) {
        if self.frontier.unawaited() < MAX_UNAWAITED {
            self.on_late(node, 1);
        }
    }

    /// `node` did not answer at all.
    pub(crate) fn on_gone(&mut self, now: Timestamp, node: &InfoHash) {
        if let Some(candidate) = self.frontier.get_mut(node) {
            candidate.reach = Reach::Gone(now);
            candidate.busy = false;
            candidate.token = None;
        }
        // Should it return, it is a newcomer.
        self.standing.retain(|(id, _)| id != node);
        for announce in self.announces.values_mut() {
            announce.on_gone(node);
        }
        for subscribe in self.subscribes.values_mut() {
            self.closed_sockets.extend(subscribe.on_gone(node));
        }
    }

    /// A question that is over.
    fn conclude(&mut self, now: Timestamp) -> Option<Step> {
        let (&name, _) = self.questions.under_way().find(|(name, question)| {
            self.is_answered(**name, question, now) && (question.found || self.hope(now).is_none())
        })?;
        let question = self.end_question(name)?;
        let report = question.report();
        Some(Step::Answered(
            question.askers.into_iter().collect(),
            report,
        ))
    }
}
