//! [`Lookup`]: what is to be asked of whom about one key, in one address family.
//!
//! A lookup knows no network. [`Lookup::poll`] says what to do next; `on_*` tell it what came of that. All operations
//! on a key share one: gets and walks are *finds* that each of the nearest candidates answers once, gets that want
//! the same together; puts are [`Announcement`] plans, listens [`Subscription`] plans. Of each a bounded number is under way
//! ([`ReadySet`]).
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

mod action;
mod announcement;
mod config;
mod deadlines;
mod find;
mod iterate;
mod listen_view;
mod listing;
mod pool;
mod store_phase;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use action::{Action, LookupReply, LookupRequest};
pub(crate) use announcement::Announcement;
pub use announcement::PutReport;
pub use bulla_kad::OpId;
use bulla_kad::ReadySet;
pub use bulla_kad::lookup::CandidateState;
use bulla_kad::lookup::Token;
pub(crate) use config::Limits;
pub use config::LookupConfig;
pub(crate) use find::FindKind;
pub use find::GetReport;
pub(crate) use iterate::Latency;
pub(crate) use listen_view::ListenView;
pub use listing::{CandidateSnapshot, LookupSnapshot};
pub(crate) use pool::Pool;

use crate::value::{Query, ValueId};
use crate::{Contact, InfoHash, Rng, Timestamp};
use find::Find;
use subscription::Subscription;

/// Time-outs after which a late candidate is no longer waited for, if it has had the time that any node may take.
const LATE_LIMIT: u32 = 2;
/// Requests of the walk on their way that are not waited for, above which no more are sent at once.
const MAX_UNAWAITED: usize = 16;
/// When to look again after something was due that could not be done at once.
const RETRY: Duration = Duration::from_millis(100);
/// How long a candidate that did not answer is left alone, unless it shows up by itself.
const RETRY_FAILED_AFTER: Duration = Duration::from_secs(60);

type Candidate = bulla_kad::lookup::Candidate<20>;
type Candidates = bulla_kad::lookup::Candidates<20>;

/// All that is under way about one key in one address family.
#[derive(Debug)]
pub(crate) struct Lookup {
    candidates: Candidates,
    /// By the first who asked.
    finds: ReadySet<OpId, Find>,
    /// The finds that nobody has been asked yet, by what they want to know.
    unasked: BTreeMap<Query, OpId>,
    /// Who joined a find that another had asked, and which.
    joined: BTreeMap<OpId, OpId>,
    announcements: ReadySet<ValueId, Announcement>,
    /// Announcements that are repeated for good.
    lasting: usize,
    subscriptions: ReadySet<OpId, Subscription>,
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
            candidates: Candidates::new(key, limits.width),
            finds: ReadySet::default(),
            unasked: BTreeMap::new(),
            joined: BTreeMap::new(),
            announcements: ReadySet::default(),
            lasting: 0,
            subscriptions: ReadySet::default(),
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
            taken |= self.candidates.insert(*contact, proved, 1);
        }
        taken
    }

    /// Asks the nearest nodes.
    pub(crate) fn ask(&mut self, now: Timestamp, op: OpId, goal: FindKind) {
        if self.is_idle() {
            self.candidates.start_over();
        }
        if let FindKind::Value(query) = &goal {
            self.was_wanted = true;
            let name = *self.unasked.entry(query.clone()).or_insert(op);
            if let Some(same) = self.finds.get_mut(&name) {
                // What was held before somebody asked is no answer to him, but of this nothing is known yet.
                if same.operations.insert(op) {
                    self.joined.insert(op, name);
                }
                return;
            }
        }
        if (self.finds.insert(now, op, Find::new(op, goal))).is_some() {
            self.candidates.forget(op);
        }
    }

    /// Who wants to know the answer to a find.
    pub(crate) fn operations(&self, find: OpId) -> impl Iterator<Item = OpId> {
        let find = self.finds.get(&find);
        find.into_iter()
            .flat_map(|it| it.operations.iter().copied())
    }

    /// Which values a find is about.
    pub(crate) fn query(&self, find: OpId) -> Option<&Query> {
        match &self.finds.get(&find)?.goal {
            FindKind::Value(query) => Some(query),
            FindKind::Node => None,
        }
    }

    /// Announces a value, in place of any other of its id; gives the operation whose announcement this ends.
    pub(crate) fn announce(&mut self, now: Timestamp, announce: Announcement) -> Option<OpId> {
        self.was_wanted = true;
        self.lasting += usize::from(announce.lasts());
        let replaced = (self.announcements).insert(now, announce.value.id(), announce)?;
        self.lasting -= usize::from(replaced.lasts());
        Some(replaced.op)
    }

    /// Ends the announcement of a value.
    pub(crate) fn withdraw(&mut self, id: ValueId) {
        if let Some(announce) = self.announcements.remove(&id) {
            self.lasting -= usize::from(announce.lasts());
        }
    }

    /// Listens.
    pub(crate) fn subscribe(&mut self, now: Timestamp, op: OpId) {
        self.was_wanted = true;
        self.subscriptions.insert(now, op, Subscription::default());
    }

    /// The announcement of a value.
    pub(crate) fn announced(&self, id: ValueId) -> Option<&Announcement> {
        self.announcements.get(&id)
    }

    /// Ends a find or listen.
    pub(crate) fn cancel(&mut self, op: OpId) {
        if let Some(subscribe) = self.subscriptions.remove(&op) {
            self.closed_sockets.extend(subscribe.sockets());
            return;
        }
        let name = self.joined.remove(&op).unwrap_or(op);
        if let Some(find) = self.finds.get_mut(&name) {
            find.operations.remove(&op);
            if find.operations.is_empty() {
                self.end_find(name);
            }
        }
    }

    fn end_find(&mut self, name: OpId) -> Option<Find> {
        let find = self.finds.remove(&name)?;
        self.candidates.forget(name);
        for operation in &find.operations {
            self.joined.remove(operation);
        }
        if find.asked == 0
            && let FindKind::Value(query) = &find.goal
        {
            self.unasked.remove(query);
        }
        Some(find)
    }

    /// Whether no operation needs it any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.finds.is_empty() && self.announcements.is_empty() && self.subscriptions.is_empty()
    }

    /// Gives back the memory of what is over, when no operation needs it any more; maps keep some even if they are empty.
    pub(crate) fn retire(&mut self) {
        self.candidates.shrink();
        self.finds = ReadySet::default();
        self.unasked = BTreeMap::new();
        self.joined = BTreeMap::new();
        self.announcements = ReadySet::default();
        self.subscriptions = ReadySet::default();
        self.standing = Vec::new();
    }

    /// Whether it has begun with what it has to do.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether somebody may want it again, and it can help him: walks go somewhere else each time.
    pub(crate) fn is_worth_remembering(&self) -> bool {
        self.was_wanted && self.candidates.iter().next().is_some()
    }

    /// How many of the nearest contacts to offer, if fewer candidates are live than one could know: enough to make up
    /// for those that do not answer.
    pub(crate) fn reach_wanted(&self) -> Option<usize> {
        let width = self.limits.width;
        let live = self.candidates.nearest(width).count();
        (live < width).then(|| width + self.candidates.iter().count() - live)
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
        latency: &Latency<'_>,
        rng: &mut Rng,
    ) -> Action {
        self.has_begun = true;
        self.candidates.drop_failed_before(now - RETRY_FAILED_AFTER);
        self.finds.begin(now);
        self.announcements.begin(now);
        self.subscriptions.begin(now);
        if let Some(step) = self.iterate(now, latency) {
            return step;
        }
        let knows_somebody = self.candidates.nearest(1).next().is_some();
        if knows_somebody || !may_wait && self.wait_for_late(now).is_none() {
            let step = self.store_phase(now, rng).or_else(|| self.finish_find(now));
            if let Some(step) = step {
                return step;
            }
        }
        self.has_begun = !self.is_idle();
        let next_slow = self.next_slow(now).unwrap_or(Timestamp::MAX);
        Action::Wait(self.next_due(now).min(next_slow))
    }

    /// `node` answered.
    pub(crate) fn on_answer(
        &mut self,
        now: Timestamp,
        node: &InfoHash,
        ask: &LookupRequest,
        answer: LookupReply<'_>,
    ) {
        let mut hops = 1;
        if let Some(candidate) = self.candidates.get_mut(node) {
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
            LookupRequest::Find => self.finds.for_each_under_way(|op, find| {
                if find.goal == FindKind::Node {
                    find.answered += usize::from(self.candidates.on_answered(node, *op));
                }
            }),
            LookupRequest::Get(op) => {
                if let Some(find) = self.finds.get_mut(op) {
                    find.answered += usize::from(self.candidates.on_answered(node, *op));
                    if answer.found && !find.found {
                        find.found = true;
                        find.hops = hops;
                    }
                }
            }
            LookupRequest::Probe(id) | LookupRequest::Check(id) => {
                if let Some(announce) = self.announcements.mark_ready(id) {
                    announce.on_probed(*node, answer.held);
                }
            }
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                if let Some(announce) = self.announcements.mark_ready(id) {
                    announce.on_acknowledged(*node, now);
                }
            }
            LookupRequest::Listen { op, .. } => {
                let renew_at = now + answer.renewal;
                if let Some(subscribe) = self.subscriptions.mark_ready(op) {
                    subscribe.on_agreed(node, renew_at);
                }
            }
        }
        for contact in &answer.contacts {
            self.candidates
                .insert(*contact, false, hops.saturating_add(1));
        }
    }

    /// `node` sent a new write token by itself.
    pub(crate) fn on_token(&mut self, now: Timestamp, node: &InfoHash, bytes: Bytes) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.token = Some(Token { bytes, at: now });
        }
    }

    /// `node` answered with an error: the token was wrong, or there is no such value to refresh.
    pub(crate) fn on_rejected(
        &mut self,
        node: &InfoHash,
        ask: &LookupRequest,
        token_was_wrong: bool,
    ) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.state = CandidateState::Responsive;
            candidate.busy = false;
            if token_was_wrong {
                candidate.token = None;
            }
        }
        match ask {
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                if let Some(announce) = self.announcements.mark_ready(id) {
                    announce.on_rejected(*node);
                }
            }
            LookupRequest::Listen { op, .. } => {
                if let Some(subscribe) = self.subscriptions.mark_ready(op) {
                    subscribe.on_rejected(node);
                }
            }
            LookupRequest::Find
            | LookupRequest::Get(_)
            | LookupRequest::Probe(_)
            | LookupRequest::Check(_) => {}
        }
    }

    /// `node` refused for good what it was asked.
    pub(crate) fn on_refused(&mut self, now: Timestamp, node: &InfoHash, ask: &LookupRequest) {
        match ask {
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                if let Some(candidate) = self.candidates.get_mut(node) {
                    candidate.state = CandidateState::Responsive;
                }
                if let Some(announce) = self.announcements.mark_ready(id) {
                    announce.on_refused(*node);
                }
            }
            LookupRequest::Find
            | LookupRequest::Get(_)
            | LookupRequest::Probe(_)
            | LookupRequest::Check(_)
            | LookupRequest::Listen { .. } => {
                self.on_failed(now, node);
            }
        }
    }

    /// An answer of `node` is overdue, for the `count`th time.
    pub(crate) fn on_timeout(&mut self, node: &InfoHash, count: u32) {
        if let Some(candidate) = self.candidates.get_mut(node)
            && !matches!(candidate.state, CandidateState::Failed(_))
        {
            candidate.state = CandidateState::Unresponsive(count);
        }
    }

    /// `node`, which was asked just now, owes us an answer from before: this one is not waited for either. Only of so many,
    /// as strangers may name any number of nodes at an address that is silent.
    pub(crate) fn on_known_unresponsive(&mut self, node: &InfoHash) {
        if self.candidates.unawaited() < MAX_UNAWAITED {
            self.on_timeout(node, 1);
        }
    }

    /// `node` did not answer at all.
    pub(crate) fn on_failed(&mut self, now: Timestamp, node: &InfoHash) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.state = CandidateState::Failed(now);
            candidate.busy = false;
            candidate.token = None;
        }
        // Should it return, it is a newcomer.
        self.standing.retain(|(id, _)| id != node);
        for announce in self.announcements.values_mut() {
            announce.on_failed(node);
        }
        for subscribe in self.subscriptions.values_mut() {
            self.closed_sockets.extend(subscribe.on_failed(node));
        }
    }

    /// A find that is over.
    fn finish_find(&mut self, now: Timestamp) -> Option<Action> {
        let (&name, _) = self.finds.under_way().find(|(name, find)| {
            self.is_answered(**name, find, now) && (find.found || self.wait_for_late(now).is_none())
        })?;
        let find = self.end_find(name)?;
        let report = find.report();
        Some(Action::Answered(
            find.operations.into_iter().collect(),
            report,
        ))
    }
}
