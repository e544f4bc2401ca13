//! [`Iterate`]: which of the nearest candidates is asked next, and when the finds are answered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;

use super::candidates::{Candidate, CandidateState, Candidates, Paths, Token};
use super::find::{Ended, Find, FindAction, FindKind, FindReply, FindRequest, GetReport};
use super::{IterateConfig, Latency};
use crate::{Contact, Id, OpId, ReadySet, Timestamp};

/// Time-outs after which an unresponsive candidate is no longer waited for, if it has had the time
/// that any node may take.
const LATE_LIMIT: u32 = 2;
/// Requests in flight that are not waited for, above which no more are sent at once.
const MAX_UNAWAITED: usize = 16;
/// How long a failed candidate is not asked again, unless a message from it comes.
const RETRY_FAILED_AFTER: Duration = Duration::from_secs(60);
/// When to poll again if something due could not be done at once.
const RETRY: Duration = Duration::from_millis(100);

/// An iterative lookup of one key in one address family. `Q` is what the finds of values ask for.
///
/// ```
/// use bulla_kad::lookup::{FindAction, FindKind, FindReply, Iterate, IterateConfig, Latency};
/// use bulla_kad::{Contact, Id, OpId, Timestamp};
///
/// let (key, now) = (Id::new([0; 32]), Timestamp::ZERO);
/// let mut iterate = Iterate::<(), 32>::new(key, IterateConfig::default());
/// let known = Contact::new(Id::new([1; 32]), "192.0.2.1:4222".parse()?);
/// iterate.offer(&[known], true);
/// iterate.find(now, OpId(1), FindKind::Node);
///
/// let FindAction::Request(contact, request) = iterate.poll(now, false, &Latency::UNKNOWN) else {
///     panic!("one is there to be asked")
/// };
/// iterate.on_reply(now, &contact, Some(&request), FindReply::default());
/// let FindAction::Answered(ops, report) = iterate.poll(now, false, &Latency::UNKNOWN) else {
///     panic!("no other is there to be asked")
/// };
/// assert_eq!((ops, report.answered), (vec![OpId(1)], 1));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Iterate<Q, const N: usize> {
    candidates: Candidates<N>,
    /// By their id, that of the first operation.
    finds: ReadySet<OpId, Find<Q>>,
    /// The ids of the finds of values that no node has been asked yet, by their query.
    unasked: BTreeMap<Q, OpId>,
    /// Operations that joined the find of another, with its id.
    joined: BTreeMap<OpId, OpId>,
    config: IterateConfig,
    /// Contacts of our own that were given a path.
    dealt: usize,
}

impl<Q: Clone + Ord, const N: usize> Iterate<Q, N> {
    /// Begins without candidates and finds.
    pub fn new(key: Id<N>, config: IterateConfig) -> Self {
        Self {
            candidates: Candidates::new(key, config),
            finds: ReadySet::default(),
            unasked: BTreeMap::new(),
            joined: BTreeMap::new(),
            config,
            dealt: 0,
        }
    }

    /// Takes in about how many nodes the network has.
    pub fn set_network_size(&mut self, nodes: u64) {
        self.candidates.set_network_size(nodes);
    }

    /// Offers contacts of our own table, `validated` if they answered us lately; reports whether
    /// any was taken. They are dealt out to the paths.
    pub fn offer(&mut self, contacts: &[Contact<N>], validated: bool) -> bool {
        let before = self.dealt;
        for contact in contacts {
            let path = Paths::one(self.dealt % self.config.paths.clamp(1, Paths::MAX));
            self.dealt += usize::from(self.candidates.insert(*contact, validated, 1, path));
        }
        self.dealt > before
    }

    /// Offers a contact that has shown up by itself and answered; reports whether it was taken. All
    /// such are on one path, as ids are free to choose.
    pub fn introduce(&mut self, contact: Contact<N>) -> bool {
        self.candidates.insert(contact, true, 1, Paths::FIRST)
    }

    /// Returns how many of the nearest contacts to offer, if fewer than `width` candidates are
    /// usable: enough to make up for those that do not answer.
    pub fn contacts_wanted(&self) -> Option<usize> {
        let width = self.config.width;
        let usable = self.candidates.nearest(width).count();
        (usable < width).then(|| width + self.candidates.iter().count() - usable)
    }

    /// Counts hops from the present candidates on, as finds begin after a time without any.
    pub fn reset_hops(&mut self) {
        self.candidates.reset_hops();
    }

    /// Asks the nearest nodes for an operation.
    pub fn find(&mut self, now: Timestamp, op: OpId, kind: FindKind<Q>) {
        if let FindKind::Value(query) = &kind {
            let find_id = *self.unasked.entry(query.clone()).or_insert(op);
            if let Some(same) = self.finds.get_mut(&find_id) {
                // An operation must not get replies to requests from before it began; for this
                // find none was sent yet.
                if same.operations.insert(op) {
                    self.joined.insert(op, find_id);
                }
                return;
            }
        }
        if (self.finds.insert(now, op, Find::new(op, kind))).is_some() {
            self.candidates.forget(op);
        }
    }

    /// Removes an operation from its find, which ends with the last one.
    pub fn cancel(&mut self, op: OpId) {
        let find_id = self.joined.remove(&op).unwrap_or(op);
        if let Some(find) = self.finds.get_mut(&find_id) {
            find.operations.remove(&op);
            if find.operations.is_empty() {
                self.end_find(find_id);
            }
        }
    }

    /// Returns the operations that want to know the answer to a find.
    pub fn operations(&self, find: OpId) -> impl Iterator<Item = OpId> {
        let find = self.finds.get(&find);
        find.into_iter()
            .flat_map(|it| it.operations.iter().copied())
    }

    /// Returns the query of a find of values.
    pub fn query(&self, find: OpId) -> Option<&Q> {
        match &self.finds.get(&find)?.kind {
            FindKind::Value(query) => Some(query),
            FindKind::Node => None,
        }
    }

    /// Returns the candidates.
    pub fn candidates(&self) -> &Candidates<N> {
        &self.candidates
    }

    /// Returns how many finds there are, under way or not.
    pub fn find_count(&self) -> usize {
        self.finds.len()
    }

    /// Frees memory when there is no find; maps keep some even if they are empty.
    pub fn shrink(&mut self) {
        self.candidates.shrink();
        if self.finds.is_empty() {
            self.finds = ReadySet::default();
            self.unasked = BTreeMap::new();
            self.joined = BTreeMap::new();
        }
    }

    /// Returns what to do next, for a caller that wants nothing but the finds. While `may_wait`, an
    /// iteration that knows no usable node waits instead of giving up.
    pub fn poll(
        &mut self,
        now: Timestamp,
        may_wait: bool,
        latency: &Latency<'_>,
    ) -> FindAction<Infallible, N> {
        let none = |_: &Candidate<N>| None;
        if let Some((contact, request)) = self.next_request(now, latency, false, none, none) {
            return FindAction::Request(contact, request);
        }
        let answered = (self.next_cut_short(now)).or_else(|| {
            let may_conclude = self.may_conclude(now, may_wait);
            may_conclude.then(|| self.next_answered(now))?
        });
        if let Some((operations, report)) = answered {
            return FindAction::Answered(operations, report);
        }
        FindAction::Wait(self.next_wake(now, Timestamp::MAX, |_| false))
    }

    /// Returns the next request to one of the nearest candidates, and notes that it is sent.
    ///
    /// More are in flight at a time if a caller waits for the outcome: of a find of values, or of
    /// something else, as `is_urgent` tells. A candidate that has answered all finds is asked
    /// `other`, if anything. When the nearest have answered all, those that are only the nearest on
    /// one of the paths are asked: finds of values that have found nothing, and `other_on_paths`.
    pub fn next_request<A>(
        &mut self,
        now: Timestamp,
        latency: &Latency<'_>,
        is_urgent: bool,
        other: impl Fn(&Candidate<N>) -> Option<FindRequest<A>>,
        other_on_paths: impl Fn(&Candidate<N>) -> Option<FindRequest<A>>,
    ) -> Option<(Contact<N>, FindRequest<A>)> {
        self.candidates.drop_failed_before(now - RETRY_FAILED_AFTER);
        self.finds.begin(now);
        let parallelism = self.parallelism(is_urgent);
        let in_flight = self.not_slow(now).filter(|candidate| candidate.in_flight);
        if in_flight.count() >= parallelism
            || self.candidates.in_flight() >= parallelism + MAX_UNAWAITED
        {
            return None;
        }
        let nearest = self.not_slow(now).next()?.shared_bits();
        self.candidates
            .look_up_round_trips(|addr| latency.round_trip(addr));
        let next = self
            .not_slow(now)
            .filter(|candidate| !candidate.in_flight)
            .filter_map(|candidate| Some((candidate, self.request_to(candidate, &other)?)))
            .filter(|(candidate, _)| (latency.has_room)(&candidate.contact.addr))
            .min_by_key(|(candidate, _)| latency.time_through(candidate, nearest));
        let (candidate, request) = next.or_else(|| {
            let mut nearest = self.candidates.nearest(self.config.bucket_size);
            let is_idle = nearest.all(|it| !it.in_flight && self.request_to(it, &other).is_none());
            is_idle.then(|| self.next_on_paths(latency, &other_on_paths))?
        })?;
        let contact = candidate.contact;
        self.candidates.on_asked(&contact);
        if let Some(candidate) = self.candidates.get_mut(&contact) {
            candidate.in_flight = true;
            candidate.asked_at = now;
            candidate.is_given_up = false;
            candidate.slow_at = now + (latency.slow_after)(&contact.addr);
        }
        match &request {
            FindRequest::Value(op) => {
                if let Some(find) = self.finds.get_mut(op) {
                    if find.asked == 0
                        && let FindKind::Value(query) = &find.kind
                    {
                        self.unasked.remove(query);
                    }
                    find.on_asked(now);
                }
            }
            FindRequest::Node => self.finds.for_each_under_way(|_, find| {
                if find.is_for_nodes() {
                    find.on_asked(now);
                }
            }),
            FindRequest::Other(_) => {}
        }
        Some((contact, request))
    }

    /// Reports whether a find may end with nothing found, or for want of nodes to ask: not while an
    /// unresponsive candidate may answer, nor while it `may_wait`.
    pub fn may_conclude(&self, now: Timestamp, may_wait: bool) -> bool {
        self.knows_any() || !may_wait && self.wait_for_late(now).is_none()
    }

    /// Takes a find that is over: the operations that wanted it, and what became of it.
    pub fn next_answered(&mut self, now: Timestamp) -> Option<(Vec<OpId>, GetReport)> {
        let (&find_id, _) = self.finds.under_way().find(|(find_id, find)| {
            self.is_answered(**find_id, find, now)
                && (find.found || self.wait_for_late(now).is_none())
        })?;
        let is_asked = self.finds.get(&find_id).is_some_and(|find| find.asked > 0);
        let ended = if is_asked || self.knows_any() {
            Ended::Converged
        } else {
            Ended::NoContacts
        };
        self.conclude(find_id, ended)
    }

    /// Takes a find that has cost all that it may, in requests or in time.
    pub fn next_cut_short(&mut self, now: Timestamp) -> Option<(Vec<OpId>, GetReport)> {
        let awaits_reply = || self.awaits_reply(|_| false);
        let (&name, ended) = self.finds.under_way().find_map(|(name, find)| {
            if self.end_of(find).is_some_and(|end| end <= now) {
                Some((name, Ended::OutOfTime))
            } else if find.asked >= self.config.max_requests && !awaits_reply() {
                Some((name, Ended::OutOfRequests))
            } else {
                None
            }
        })?;
        self.conclude(name, ended)
    }

    fn conclude(&mut self, name: OpId, ended: Ended) -> Option<(Vec<OpId>, GetReport)> {
        let find = self.end_find(name)?;
        let report = find.report(ended);
        Some((find.operations.into_iter().collect(), report))
    }

    /// Until when a find may take, once it has been asked.
    fn end_of(&self, find: &Find<Q>) -> Option<Timestamp> {
        find.began.map(|began| began + self.config.max_time)
    }

    /// Returns when to poll again if nothing happens before. The caller's own next request is
    /// due at `other`, and may have to wait for replies of the nodes that it `awaits`.
    pub fn next_wake(
        &self,
        now: Timestamp,
        other: Timestamp,
        awaits: impl Fn(&Contact<N>) -> bool,
    ) -> Timestamp {
        let is_waiting = !self.finds.is_empty() || !self.knows_any();
        let end = self.wait_for_late(now).filter(|_| is_waiting);
        let due = other.min(end.unwrap_or(Timestamp::MAX));
        let due = if due > now {
            due
        } else if self.awaits_reply(awaits) {
            // What is due has to wait for a reply, or for its absence.
            Timestamp::MAX
        } else {
            now + RETRY
        };
        let ends = (self.finds.under_way()).filter_map(|(_, find)| self.end_of(find));
        let slow = self.next_slow(now).into_iter();
        slow.chain(ends.min()).fold(due, Timestamp::min)
    }

    /// Notes that `node` is asked something by the caller.
    pub fn on_asked(&mut self, now: Timestamp, node: &Contact<N>) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.asked_at = now;
            candidate.is_given_up = false;
        }
    }

    /// Reports whether a request to one of the nearest usable candidates is in flight, of the
    /// iteration or of the caller to a node that it `awaits`.
    pub fn awaits_reply(&self, awaits: impl Fn(&Contact<N>) -> bool) -> bool {
        let mut nearest = self.candidates.nearest_on_paths(self.config.bucket_size);
        nearest.any(|it| it.is_usable() && (it.in_flight || awaits(&it.contact)))
    }

    /// Notes that `node` replied to a request of the iteration, or to another one if there is no
    /// `request`.
    pub fn on_reply<A>(
        &mut self,
        now: Timestamp,
        node: &Contact<N>,
        request: Option<&FindRequest<A>>,
        reply: FindReply<'_, N>,
    ) {
        let (mut hops, mut path) = (1, Paths::FIRST);
        if let Some(candidate) = self.candidates.get_mut(node) {
            (hops, path) = (candidate.hops, candidate.path());
            candidate.on_answer();
            candidate.in_flight &= request.is_none();
            if let Some(bytes) = reply.token {
                candidate.token = Some(Token { bytes, at: now });
            }
        }
        match request {
            Some(FindRequest::Node) => self.finds.for_each_under_way(|op, find| {
                if find.is_for_nodes() {
                    find.answered += usize::from(self.candidates.on_answered(node, *op));
                }
            }),
            Some(FindRequest::Value(op)) => {
                if let Some(find) = self.finds.get_mut(op) {
                    find.answered += usize::from(self.candidates.on_answered(node, *op));
                    if reply.found && !find.found {
                        find.found = true;
                        find.hops = hops;
                    }
                }
            }
            Some(FindRequest::Other(_)) | None => {}
        }
        for contact in reply.contacts {
            self.candidates
                .insert(*contact, false, hops.saturating_add(1), path);
        }
    }

    /// Notes that another node, `actual`, replied at the address of `node`.
    pub fn on_other(&mut self, now: Timestamp, node: &Contact<N>, actual: Contact<N>) {
        self.on_failed(now, node);
        if let Some(candidate) = self.candidates.get(node) {
            let (hops, path) = (candidate.hops, candidate.path());
            self.candidates.insert(actual, true, hops, path);
        }
    }

    /// Notes that `node` sent a new write token by itself.
    pub fn on_token(&mut self, now: Timestamp, node: &Contact<N>, bytes: Bytes) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.token = Some(Token { bytes, at: now });
        }
    }

    /// Notes that `node` replied with an error, which ends a request of the iteration. It may be
    /// that it refused a token: reports whether that is the last which it gave, which is dropped.
    pub fn on_error(&mut self, node: &Contact<N>, refused: Option<&[u8]>) -> bool {
        let Some(candidate) = self.candidates.get_mut(node) else {
            return false;
        };
        candidate.state = CandidateState::Responsive;
        candidate.in_flight = false;
        let is_last = |token: &mut Token| refused == Some(&token.bytes[..]);
        candidate.token.take_if(is_last).is_some()
    }

    /// Notes that `node` refused a request of the caller's own for good.
    pub fn on_refused(&mut self, node: &Contact<N>) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.state = CandidateState::Responsive;
        }
    }

    /// Notes that a request to `node` timed out, for the `count`th time; that there is hardly any
    /// hope, if it `is_last`.
    pub fn on_timeout(&mut self, node: &Contact<N>, count: u32, is_last: bool) {
        if let Some(candidate) = self.candidates.get_mut(node)
            && !matches!(candidate.state, CandidateState::Failed(_))
        {
            candidate.state = CandidateState::Unresponsive(count);
            candidate.is_given_up = is_last;
        }
    }

    /// Notes that `node`, which was asked just now, has let an earlier request time out: this one
    /// is not waited for either. Their number is limited, as replies may list any number of nodes
    /// at an address that is silent.
    pub fn on_known_unresponsive(&mut self, node: &Contact<N>) {
        if self.candidates.unawaited() < MAX_UNAWAITED {
            self.on_timeout(node, 1, false);
        }
    }

    /// Notes that `node` did not answer at all, or is of no use.
    pub fn on_failed(&mut self, now: Timestamp, node: &Contact<N>) {
        if let Some(candidate) = self.candidates.get_mut(node) {
            candidate.state = CandidateState::Failed(now);
            candidate.in_flight = false;
            candidate.token = None;
        }
    }

    fn end_find(&mut self, find_id: OpId) -> Option<Find<Q>> {
        let find = self.finds.remove(&find_id)?;
        self.candidates.forget(find_id);
        for operation in &find.operations {
            self.joined.remove(operation);
        }
        if find.asked == 0
            && let FindKind::Value(query) = &find.kind
        {
            self.unasked.remove(query);
        }
        Some(find)
    }

    /// Returns when the first of the candidates asked becomes slow: others may be asked then, or a
    /// find is answered.
    fn next_slow(&self, now: Timestamp) -> Option<Timestamp> {
        let in_flight = self.not_slow(now).filter(|candidate| candidate.in_flight);
        in_flight.map(|candidate| candidate.slow_at).min()
    }

    fn knows_any(&self) -> bool {
        self.candidates.nearest(1).next().is_some()
    }

    /// Returns how many requests to have in flight: if a caller waits for the outcome, so many that
    /// as many as configured are likely to be answered, by the share answered so far.
    fn parallelism(&self, is_urgent: bool) -> usize {
        let wanted = self.config.parallelism;
        let mut finds = self.finds.under_way();
        if !is_urgent && finds.all(|(_, find)| find.is_for_nodes()) {
            return wanted;
        }
        let (answered, silent) = self.candidates.tally();
        (wanted * (answered + silent + 1) / (answered + 1)).min(self.config.parallelism_max)
    }

    /// Iterates over the nearest usable candidates that are not slow.
    fn not_slow(&self, now: Timestamp) -> impl Iterator<Item = &Candidate<N>> {
        let count = self.config.bucket_size;
        (self.candidates).nearest_of(count, move |candidate| !candidate.is_slow(now))
    }

    fn request_to<A>(
        &self,
        candidate: &Candidate<N>,
        other: impl Fn(&Candidate<N>) -> Option<FindRequest<A>>,
    ) -> Option<FindRequest<A>> {
        let mut finds = self.finds.under_way();
        let max_requests = self.config.max_requests;
        let Some((op, find)) =
            finds.find(|(op, find)| !candidate.has_answered(**op) && find.asked < max_requests)
        else {
            return other(candidate);
        };
        Some(match &find.kind {
            FindKind::Value(_) => FindRequest::Value(*op),
            FindKind::Node => FindRequest::Node,
        })
    }

    /// Returns the next request to one of those that are the nearest on one path alone. Each path
    /// has one in flight: a node that is near names all that are nearer.
    fn next_on_paths<A>(
        &self,
        latency: &Latency<'_>,
        other: impl Fn(&Candidate<N>) -> Option<FindRequest<A>>,
    ) -> Option<(&Candidate<N>, FindRequest<A>)> {
        let mut finds = self.finds.under_way();
        let find = finds.find(|(_, find)| find.needs_paths());
        let request = |candidate: &Candidate<N>| match find {
            Some((op, find))
                if !candidate.has_answered(*op) && find.asked < self.config.max_requests =>
            {
                Some(FindRequest::Value(*op))
            }
            Some(_) | None => other(candidate),
        };
        (0..Paths::MAX).find_map(|path| {
            let nearest = || self.candidates.nearest_on(path, self.config.bucket_size);
            if nearest().any(|it| it.in_flight) {
                return None;
            }
            let mut open = nearest().filter_map(|it| Some((it, request(it)?)));
            open.find(|(it, _)| (latency.has_room)(&it.contact.addr))
        })
    }

    /// Reports whether the nearest have answered a find, on each path if it found nothing. One that
    /// found something goes without the answers of those that are slow if as many others have
    /// answered.
    fn is_answered(&self, op: OpId, find: &Find<Q>, now: Timestamp) -> bool {
        let has_answered = |candidate: &&Candidate<N>| candidate.has_answered(op);
        let count = self.config.bucket_size;
        let all_have = self.candidates.nearest(count).all(|it| has_answered(&it));
        if find.needs_paths() {
            let mut on_paths = self.candidates.nearest_on_paths(count);
            return all_have && on_paths.all(|it| !it.is_usable() || it.has_answered(op));
        }
        all_have || find.found && self.not_slow(now).filter(has_answered).count() == count
    }

    /// Returns until when to wait for the unresponsive of the nearest candidates, as they may have
    /// what was not found; `None` if there are none. They get as long as a node that nothing is
    /// known of: measured round trips are of nodes that may all be much closer in the network.
    fn wait_for_late(&self, now: Timestamp) -> Option<Timestamp> {
        let nearest = self.candidates.iter().take(self.config.bucket_size);
        let deadlines = nearest.filter_map(|candidate| {
            let CandidateState::Unresponsive(count) = candidate.state else {
                return None;
            };
            let until = candidate.asked_at + self.config.any_node_timeout;
            if until > now {
                Some(until)
            } else {
                (count < LATE_LIMIT).then_some(Timestamp::MAX)
            }
        });
        deadlines.max()
    }
}
