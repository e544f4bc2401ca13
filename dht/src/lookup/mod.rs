//! [`Lookup`]: what is to be asked of which node about one key, in one address family.
//!
//! A lookup knows no network. [`Lookup::poll`] says what to do next; `on_*` tell it what came of
//! that. All operations on a key share one. It finds the nearest nodes, and asks them what gets
//! want to know (`Iterate`); puts are [`Announcement`]s, listens [`Subscription`]s, whose requests
//! go to the nearest candidates that gave a token, in the store phase. Of each a bounded number is
//! under way.

mod action;
mod announcement;
mod asker;
mod config;
mod creation;
mod id;
mod listen_view;
mod pool;
mod rejections;
mod snapshot;
mod store_phase;
mod subscription;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bulla_kad::ReadySet;
use bulla_kad::lookup::{Candidate, FindReply, FindRequest, Iterate, IterateConfig};
use bytes::Bytes;

pub(crate) use action::{LookupAction, LookupReply, LookupRequest};
pub(crate) use announcement::Announcement;
pub use announcement::PutReport;
pub(crate) use asker::Asker;
pub use bulla_kad::OpId;
pub(crate) use bulla_kad::lookup::Latency;
pub use bulla_kad::lookup::{CandidateState, Ended, GetReport};
pub(crate) use config::Limits;
pub use config::LookupConfig;
pub(crate) use creation::Creation;
pub use id::LookupId;
pub(crate) use listen_view::ListenView;
pub(crate) use pool::Pool;
pub use snapshot::{CandidateSnapshot, LookupSnapshot};

use crate::value::{Query, Value, ValueId};
use crate::{Contact, InfoHash, Rng, Timestamp};
use announcement::NextRequest;
use rejections::Rejections;
use subscription::Subscription;

/// What a find is about: which nodes are nearest, or which values they hold.
pub(crate) type FindKind = bulla_kad::lookup::FindKind<Query>;

/// All that is under way about one key in one address family.
#[derive(Debug)]
pub(crate) struct Lookup {
    iterate: Iterate<Query, { InfoHash::LEN }>,
    announcements: ReadySet<ValueId, Announcement>,
    /// Announcements that are repeated for good.
    lasting: usize,
    subscriptions: ReadySet<OpId, Subscription>,
    /// The nearest candidates when announcements and listens were last looked at, and whether each
    /// had given a token; `None` for one that was late.
    standing: Vec<(Contact, Option<bool>)>,
    closed_sockets: Vec<u32>,
    /// Nodes that refuse their own tokens.
    rejections: Rejections,
    /// Whether what it has to do has begun.
    has_begun: bool,
    /// Whether an operation of the application had a part in it.
    was_wanted: bool,
    limits: Limits,
}

/// How far a lookup is with what operations want of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LookupState {
    /// It has not begun, if there is anything to do: it may have to wait until fewer replies are
    /// awaited.
    New,
    /// It has begun with something that a caller waits for.
    Running,
    /// All it serves goes on for good, permanent puts and listens: no caller waits for it, and it
    /// takes turns with others of its kind.
    Lasting,
}

impl Lookup {
    pub(crate) fn new(key: InfoHash, limits: Limits) -> Self {
        Self {
            iterate: Iterate::new(key, limits.iterate),
            announcements: ReadySet::default(),
            lasting: 0,
            subscriptions: ReadySet::default(),
            standing: Vec::new(),
            closed_sockets: Vec::new(),
            rejections: Rejections::default(),
            has_begun: false,
            was_wanted: false,
            limits,
        }
    }

    /// Takes in about how many nodes the network has.
    pub(crate) fn set_network_size(&mut self, nodes: u64) {
        self.iterate.set_network_size(nodes);
    }

    /// Offers contacts of our table, `validated` if they answered us lately; reports whether any
    /// was taken.
    pub(crate) fn offer(&mut self, contacts: &[Contact], validated: bool) -> bool {
        self.iterate.offer(contacts, validated)
    }

    /// Offers a contact that has shown up by itself and answered; reports whether it was taken.
    pub(crate) fn introduce(&mut self, contact: Contact) -> bool {
        self.iterate.introduce(contact)
    }

    /// Asks the nearest nodes.
    pub(crate) fn ask(&mut self, now: Timestamp, asker: impl Into<Asker>, kind: FindKind) {
        if self.is_idle() {
            self.iterate.reset_hops();
        }
        self.was_wanted |= matches!(kind, FindKind::Value(_));
        self.iterate.find(now, asker.into().into(), kind);
    }

    /// Returns the operations that want to know the answer to a find.
    pub(crate) fn operations(&self, find: OpId) -> impl Iterator<Item = OpId> {
        self.iterate.operations(find)
    }

    /// Returns which values a find is about.
    pub(crate) fn query(&self, find: OpId) -> Option<&Query> {
        self.iterate.query(find)
    }

    /// Announces a value, in place of any other of its id; returns the operation whose announcement
    /// this ends.
    pub(crate) fn announce(&mut self, now: Timestamp, announcement: Announcement) -> Option<OpId> {
        self.was_wanted = true;
        self.lasting += usize::from(announcement.lasts());
        let id = announcement.value.id();
        let replaced = self.announcements.insert(now, id, announcement)?;
        self.lasting -= usize::from(replaced.lasts());
        Some(replaced.op)
    }

    /// Ends the announcement of a value.
    pub(crate) fn withdraw(&mut self, id: ValueId) {
        if let Some(announcement) = self.announcements.remove(&id) {
            self.lasting -= usize::from(announcement.lasts());
        }
    }

    /// Listens.
    pub(crate) fn subscribe(&mut self, now: Timestamp, op: OpId) {
        self.was_wanted = true;
        self.subscriptions.insert(now, op, Subscription::default());
    }

    /// Returns the announcement of a value.
    pub(crate) fn announced(&self, id: ValueId) -> Option<&Announcement> {
        self.announcements.get(&id)
    }

    /// Ends a find or listen.
    pub(crate) fn cancel(&mut self, op: OpId) {
        match self.subscriptions.remove(&op) {
            Some(subscription) => self.closed_sockets.extend(subscription.sockets()),
            None => self.iterate.cancel(op),
        }
    }

    /// Reports whether no operation needs it any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.iterate.find_count() == 0
            && self.announcements.is_empty()
            && self.subscriptions.is_empty()
    }

    /// Returns how far it is with what operations want of it.
    pub(crate) fn state(&self) -> LookupState {
        let only_lasts = self.iterate.find_count() == 0 && self.announcements.len() == self.lasting;
        if only_lasts && !self.is_idle() {
            LookupState::Lasting
        } else if self.has_begun {
            LookupState::Running
        } else {
            LookupState::New
        }
    }

    /// Reports whether it waits for a reply.
    pub(crate) fn awaits_reply(&self) -> bool {
        self.iterate.awaits_reply(|node| self.awaits(node))
    }

    /// Returns when the first of what it has brought about may run out at a storing node, unless it
    /// is renewed, for values that live for `lifetime`; `None` if it has brought about nothing yet.
    pub(crate) fn runs_out(&self, lifetime: impl Fn(&Value) -> Duration) -> Option<Timestamp> {
        let announced = self.announcements.first_waiting();
        let announced = announced.filter(|(_, it)| it.was_reported());
        let announced = announced.map(|(due, it)| {
            let renewal = it.renewal.unwrap_or_default();
            due + lifetime(&it.value).saturating_sub(renewal)
        });
        let listen = self.subscriptions.first_waiting();
        let listen = listen.filter(|(_, it)| it.has_begun());
        // A listener is kept for as long as a token is good, and renewed before half of that.
        let listen = listen.map(|(due, _)| due + self.limits.token_life / 2);
        announced.into_iter().chain(listen).min()
    }

    /// Returns how many announcements were to be renewed at `at`, and wait for that.
    pub(crate) fn count_overdue(&self, at: Timestamp) -> usize {
        self.announcements.count_waiting(at)
    }

    /// Gives back memory when no operation needs it any more; maps keep some even if they are
    /// empty. Reports whether it is worth remembering: an operation may want it again and profit
    /// from what it knows. Finds of nodes go somewhere else each time.
    pub(crate) fn retire(&mut self) -> bool {
        self.iterate.shrink();
        self.announcements = ReadySet::default();
        self.subscriptions = ReadySet::default();
        self.standing = Vec::new();
        self.was_wanted && self.iterate.candidates().iter().next().is_some()
    }

    /// Returns how many of the nearest contacts to offer, if fewer candidates are usable than one
    /// could know.
    pub(crate) fn reach_wanted(&self) -> Option<usize> {
        self.iterate.contacts_wanted()
    }

    /// Takes the sockets of subscriptions that ended since the last call.
    pub(crate) fn take_closed_sockets(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.closed_sockets)
    }

    /// Returns what to do next. While `may_wait`, a lookup that knows no node waits instead of
    /// giving up.
    pub(crate) fn poll(
        &mut self,
        now: Timestamp,
        may_wait: bool,
        latency: &Latency<'_>,
        rng: &mut Rng,
    ) -> LookupAction {
        self.has_begun = true;
        self.announcements.begin(now);
        self.subscriptions.begin(now);
        if let Some(action) = self.next_cut_short(now) {
            return action;
        }
        if let Some(action) = self.iterate(now, latency) {
            return action;
        }
        if self.iterate.may_conclude(now, may_wait) {
            if let Some(action) = self.store_phase(now, latency, rng) {
                return action;
            }
            if let Some((operations, report)) = self.iterate.next_answered(now) {
                let askers = operations.into_iter().map(Asker::from).collect();
                return LookupAction::Answered(askers, report);
            }
        }
        self.has_begun = !self.is_idle();
        let due = self.announcements.next_at();
        let due = due.min(self.subscriptions.next_at());
        let due = due.min(self.next_token_end());
        let max_time = self.limits.iterate.max_time;
        let ends = self.announcements.under_way();
        let ends = ends.filter_map(|(_, it)| it.ends_at(max_time));
        let due = ends.fold(due, Timestamp::min);
        let wake = self.iterate.next_wake(now, due, |node| self.awaits(node));
        LookupAction::Wait(wake)
    }

    /// Ends a find or the first round of a put that has cost all that it may.
    fn next_cut_short(&mut self, now: Timestamp) -> Option<LookupAction> {
        if let Some((operations, report)) = self.iterate.next_cut_short(now) {
            let askers = operations.into_iter().map(Asker::from).collect();
            return Some(LookupAction::Answered(askers, report));
        }
        let IterateConfig {
            max_requests,
            max_time,
            ..
        } = self.limits.iterate;
        let cut_short = |it: &Announcement| it.cut_short(now, max_requests, max_time);
        let (id, ended) =
            (self.announcements.under_way()).find_map(|(id, it)| Some((*id, cut_short(it)?)))?;
        let announcement = self.announcements.mark_ready(&id)?;
        let (op, report) = (announcement.op, announcement.report(ended)?);
        if announcement.is_over() {
            self.announcements.remove(&id);
        }
        Some(LookupAction::Announced(op, report))
    }

    /// The next request of the iteration. A candidate that has answered all finds and gave no
    /// token, or long ago, is asked for one if there is something to store; in passing, what it
    /// holds already.
    fn iterate(&mut self, now: Timestamp, latency: &Latency<'_>) -> Option<LookupAction> {
        let (announcements, subscriptions) = (&self.announcements, &self.subscriptions);
        let oldest = now - self.limits.token_life;
        let is_lasting = !subscriptions.is_empty() || self.lasting > 0;
        let is_urgent = announcements.len() > self.lasting;
        let for_announcements = |candidate: &Candidate<{ InfoHash::LEN }>| {
            let node = &candidate.contact;
            if candidate.fresh_token(oldest).is_some() {
                return None;
            }
            let is_due = |it: &Announcement| it.due(node, now) == Some(NextRequest::Probe);
            if let Some((value, _)) = announcements.under_way().find(|(_, it)| is_due(it)) {
                return Some(FindRequest::Other(*value));
            }
            let mut announcements = announcements.under_way();
            let wants_token = announcements.any(|(_, it)| !it.is_settled(node));
            wants_token.then_some(FindRequest::Node)
        };
        let for_any = |candidate: &Candidate<{ InfoHash::LEN }>| {
            let wants_token = is_lasting && candidate.fresh_token(oldest).is_none();
            for_announcements(candidate).or_else(|| wants_token.then_some(FindRequest::Node))
        };
        let (node, request) =
            (self.iterate).next_request(now, latency, is_urgent, for_any, for_announcements)?;
        if let FindRequest::Other(id) = &request
            && let Some(announcement) = self.announcements.get_mut(id)
        {
            announcement.on_asked(now, node, NextRequest::Probe);
        }
        Some(LookupAction::Request(node, request.into()))
    }

    /// Notes that `node` answered.
    pub(crate) fn on_answer(
        &mut self,
        now: Timestamp,
        node: &Contact,
        ask: &LookupRequest,
        answer: LookupReply<'_>,
    ) {
        let reply = FindReply {
            token: answer.token,
            contacts: &answer.contacts,
            found: answer.found,
        };
        let request = ask.of_iteration();
        self.iterate.on_reply(now, node, request.as_ref(), reply);
        match ask {
            LookupRequest::Find | LookupRequest::Get(_) => {}
            LookupRequest::Probe(id) | LookupRequest::Check(id) => {
                if let Some(announcement) = self.announcements.mark_ready(id) {
                    announcement.on_probed(*node, answer.held, answer.held_value);
                }
            }
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                self.rejections.on_accepted(node);
                if let Some(announcement) = self.announcements.mark_ready(id) {
                    announcement.on_acknowledged(*node, now);
                }
            }
            LookupRequest::Listen { op, .. } => {
                self.rejections.on_accepted(node);
                let renew_at = now + answer.renewal;
                if let Some(subscription) = self.subscriptions.mark_ready(op) {
                    subscription.on_agreed(node, renew_at);
                }
            }
        }
    }

    /// Notes that `node` sent a new write token by itself.
    pub(crate) fn on_token(&mut self, now: Timestamp, node: &Contact, bytes: Bytes) {
        self.iterate.on_token(now, node, bytes);
    }

    /// Notes that `node` answered with an error: the token was wrong, or there is no such value to
    /// refresh. One that refuses all tokens that it gives is left alone for a while.
    pub(crate) fn on_rejected(
        &mut self,
        now: Timestamp,
        node: &Contact,
        ask: &LookupRequest,
        token_was_wrong: bool,
    ) {
        let refused = ask.token().filter(|_| token_was_wrong);
        if self.iterate.on_error(node, refused.map(|token| &token[..])) {
            self.rejections.on_refused(now, *node);
        }
        let paused = self.rejections.paused_until(now, node);
        match ask {
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                if let Some(announcement) = self.announcements.mark_ready(id) {
                    announcement.on_rejected(*node, paused);
                }
            }
            LookupRequest::Listen { op, .. } => {
                if let Some(subscription) = self.subscriptions.mark_ready(op) {
                    subscription.on_rejected(node, paused);
                }
            }
            LookupRequest::Find
            | LookupRequest::Get(_)
            | LookupRequest::Probe(_)
            | LookupRequest::Check(_) => {}
        }
    }

    /// Notes that `node` refused for good what it was asked.
    pub(crate) fn on_refused(&mut self, now: Timestamp, node: &Contact, ask: &LookupRequest) {
        match ask {
            LookupRequest::Put(id, _) | LookupRequest::Refresh(id, _) => {
                self.iterate.on_refused(node);
                if let Some(announcement) = self.announcements.mark_ready(id) {
                    announcement.on_refused(*node);
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

    /// Notes that a request to `node` timed out, for the `count`th time; that there is hardly any
    /// hope, if it `is_last`.
    pub(crate) fn on_timeout(&mut self, node: &Contact, count: u32, is_last: bool) {
        self.iterate.on_timeout(node, count, is_last);
    }

    /// Notes that `node`, which was asked just now, let another request time out before, so that
    /// this one is not waited for either.
    pub(crate) fn on_known_unresponsive(&mut self, node: &Contact) {
        self.iterate.on_known_unresponsive(node);
    }

    /// Notes that another node, `actual`, replied at the address of `node`.
    pub(crate) fn on_other(&mut self, now: Timestamp, node: &Contact, actual: Contact) {
        self.iterate.on_other(now, node, actual);
        self.end_at(node);
    }

    /// Notes that `node` did not answer at all, or is of no use.
    pub(crate) fn on_failed(&mut self, now: Timestamp, node: &Contact) {
        self.iterate.on_failed(now, node);
        self.end_at(node);
    }

    /// Ends what announcements and listens have at `node`.
    fn end_at(&mut self, node: &Contact) {
        // Should it return, it is a newcomer.
        self.standing.retain(|(it, _)| it != node);
        for announcement in self.announcements.values_mut() {
            announcement.on_failed(node);
        }
        for subscription in self.subscriptions.values_mut() {
            self.closed_sockets.extend(subscription.on_failed(node));
        }
    }

    /// Whether a reply of `node` to an announcement or a listen is on its way.
    fn awaits(&self, node: &Contact) -> bool {
        self.announcements
            .under_way()
            .any(|(_, it)| it.awaits(node))
            || self
                .subscriptions
                .under_way()
                .any(|(_, it)| it.awaits(node))
    }

    /// Returns the `count`th nearest node to the key that has replied.
    pub(crate) fn nth_nearest(&self, count: usize) -> Option<Contact> {
        let mut nearest = self.iterate.candidates().nearest(count);
        nearest.nth(count.checked_sub(1)?).map(|it| it.contact)
    }

    /// When the first of those that are given something for good runs out of its token.
    fn next_token_end(&self) -> Timestamp {
        if self.lasting == 0 && self.subscriptions.is_empty() {
            return Timestamp::MAX;
        }
        let nearest = self.iterate.candidates().nearest(self.limits.bucket_size());
        let tokens = nearest
            .filter(|candidate| !candidate.in_flight)
            .filter_map(|candidate| candidate.token.as_ref());
        let ends = tokens.map(|token| token.at + self.limits.token_life);
        ends.min().unwrap_or(Timestamp::MAX)
    }
}
