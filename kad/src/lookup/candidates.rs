//! [`Candidates`]: the contacts nearest to a key that a lookup knows, Kademlia's shortlist, each
//! with its state in this lookup.
//!
//! Invariants: sorted by distance, contacts unique; at most [`MAX_ADDRESSES`] contacts of an id; at
//! most `width` candidates that answered, `width` unqueried ones, and [`MAX_FAILED`] others. So
//! peers that invent contacts, nearer than any other, cannot push out the nodes that are there; and
//! a peer that names the id of a node at another address does not hide that node.
//!
//! - *Addresses*: few candidates share one IP address or one network
//!   ([`IterateConfig::max_per_address`], [`IterateConfig::max_per_network`]), those that were
//!   asked in vain included, so that no lookup asks one host much.
//! - *Paths*: each contact of our own table begins on one of a few paths, and any other is on those
//!   of the contacts that named it. The bounds above are for each path, so that what is named on
//!   one path pushes out nothing that another knows.
//! - *Crowds*: where more candidates are so near to the key as hardly one of the network's nodes
//!   can be by chance, someone chose their ids. These are a crowd: it is asked too, as far as
//!   `width` goes, but takes none of the places of the others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::IterateConfig;
use crate::{Contact, Distance, Id, OpId, Prefix, Scope, Timestamp};

/// Candidates kept that are unresponsive or failed, so that they are not taken for new ones when
/// named again.
const MAX_FAILED: usize = 25;
/// Addresses at which one id is asked.
const MAX_ADDRESSES: usize = 3;
/// Usable candidates nearer than hardly one node can be by chance that are no crowd.
const MAX_CLOSE: usize = 3;

/// The contacts nearest to a key, nearest first.
#[derive(Debug)]
pub struct Candidates<const N: usize> {
    target: Id<N>,
    config: IterateConfig,
    list: Vec<Candidate<N>>,
    /// Candidates asked on each path.
    asked_on: [u32; Paths::MAX],
    /// How many leading bits with the key hardly one node of the network shares.
    crowd_bits: u32,
}

/// Some of the paths of a lookup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Paths(u8);

/// A contact that a lookup may ask.
#[derive(Debug)]
pub struct Candidate<const N: usize> {
    /// The contact.
    pub contact: Contact<N>,
    /// Whether it answers.
    pub state: CandidateState,
    /// The write token that it gave last.
    pub token: Option<Token>,
    /// Whether a request of the iteration to it is in flight.
    pub in_flight: bool,
    /// Whether the last attempt of a request to it is overdue: it is not waited for any more.
    pub(super) is_given_up: bool,
    distance: Distance<N>,
    /// When the iteration asked it last.
    pub(super) asked_at: Timestamp,
    /// When most nodes would have replied to that.
    pub(super) slow_at: Timestamp,
    /// How long it is likely to take to reply, if that was looked up since it last did.
    round_trip: Option<Duration>,
    /// The finds that it has answered, in order: an application may have thousands for one key.
    answered: Vec<OpId>,
    /// The hops to it: 1 from our own table, else one more than to the node that replied with it.
    pub(super) hops: u8,
    /// The paths on which it was named.
    paths: Paths,
    /// The one of these on which it was asked: what it names is on it.
    asked_on: Option<Paths>,
}

/// Whether a candidate answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CandidateState {
    /// It has not answered yet.
    Unqueried,
    /// It answered.
    Responsive,
    /// A request to it has timed out this many times.
    Unresponsive(u32),
    /// It did not answer at all, as was found at this moment.
    Failed(Timestamp),
}

/// A write token and when it came.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub bytes: Bytes,
    /// When it came.
    pub at: Timestamp,
}

impl<const N: usize> Candidates<N> {
    pub(super) fn new(target: Id<N>, config: IterateConfig) -> Self {
        Self {
            target,
            config,
            list: Vec::new(),
            asked_on: [0; Paths::MAX],
            crowd_bits: u32::MAX,
        }
    }

    /// Takes in about how many nodes the network has.
    pub(super) fn set_network_size(&mut self, nodes: u64) {
        // That many nodes have half of one among them.
        self.crowd_bits = nodes.max(1).ilog2() + 2;
    }

    /// Reports whether a candidate is so near that others of its kind are a crowd.
    fn is_close(&self, candidate: &Candidate<N>) -> bool {
        candidate.shared_bits() >= self.crowd_bits
    }

    /// Returns what tells the rank of candidates that come in order, from 1: among all, or where
    /// there is a crowd, among that or the others. All candidates of one id have the same.
    fn ranking(&self) -> impl FnMut(&Candidate<N>) -> usize + use<'_, N> {
        let close = self.list.iter().take_while(|it| self.is_close(it));
        let usable = close.filter(|it| it.is_usable()).take(MAX_CLOSE + 1);
        let is_crowd = usable.count() > MAX_CLOSE;
        let mut ranks = [Rank::default(); 2];
        move |candidate| {
            let of_crowd = is_crowd && self.is_close(candidate);
            ranks[usize::from(of_crowd)].next(candidate.distance)
        }
    }

    /// Iterates over all candidates, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<N>> {
        self.list.iter()
    }

    /// Iterates over the usable candidates of the `count` nearest ids that have any.
    pub fn nearest(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        self.nearest_of(count, |_| true)
    }

    /// As [`Candidates::nearest`], of those that are fit.
    pub(super) fn nearest_of(
        &self,
        count: usize,
        is_fit: impl Fn(&Candidate<N>) -> bool,
    ) -> impl Iterator<Item = &Candidate<N>> {
        let mut rank = self.ranking();
        let fit = self
            .list
            .iter()
            .filter(move |it| it.is_usable() && is_fit(it));
        fit.filter(move |it| rank(it) <= count)
    }

    /// Iterates over the candidates of the `count` nearest ids that are usable or may still answer.
    pub fn nearest_or_late(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        let mut rank = self.ranking();
        let hopeful = self.list.iter();
        let hopeful = hopeful.filter(|it| it.is_usable() || it.is_late());
        hopeful.filter(move |it| rank(it) <= count)
    }

    /// Iterates over the candidates that are usable or may still answer, and that are of the
    /// `count` nearest ids of these, in all or on one of the paths.
    pub fn nearest_on_paths(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        let mut ranks: [_; 1 + Paths::MAX] = std::array::from_fn(|_| self.ranking());
        let hopeful = self.list.iter();
        let hopeful = hopeful.filter(|it| it.is_usable() || it.is_late());
        hopeful.filter(move |candidate| {
            let is_on = |rank: &usize| *rank == 0 || candidate.paths.contains(rank - 1);
            let on = (0..ranks.len()).filter(is_on);
            on.fold(false, |is_near, rank| {
                let rank = ranks[rank](candidate);
                is_near || rank <= count
            })
        })
    }

    /// Iterates over the usable candidates of the `count` nearest ids on a path.
    pub(super) fn nearest_on(
        &self,
        path: usize,
        count: usize,
    ) -> impl Iterator<Item = &Candidate<N>> {
        let mut rank = self.ranking();
        let on_path = self.list.iter().filter(move |it| it.paths.contains(path));
        let usable = on_path.filter(|it| it.is_usable());
        usable.filter(move |it| rank(it) <= count)
    }

    /// Returns the candidate for this contact.
    pub fn get(&self, contact: &Contact<N>) -> Option<&Candidate<N>> {
        self.list.get(self.place(contact).ok()?)
    }

    /// Returns the candidates to send values to, with tokens no older than `oldest`: those known to
    /// be nearest. While one of the `count` nearest has no token, these are the candidates before
    /// it, but for the last of them (`docs/spec/node.md#4.6`). Those that are late keep their place
    /// until there is no hope for them. Once all of the nearest on all paths have given a token,
    /// these follow.
    pub fn ready(&self, count: usize, oldest: Timestamp) -> Vec<(Contact<N>, &Bytes)> {
        let mut ready = Vec::new();
        let nearest = self.nearest_or_late(count);
        for candidate in nearest.filter(|candidate| candidate.is_usable()) {
            let Some(token) = candidate.fresh_token(oldest) else {
                ready.pop();
                return ready;
            };
            ready.push((candidate.contact, token));
        }
        let others = self.nearest_on_paths(count).filter(|it| it.is_usable());
        let others = others.map(|it| Some((it.contact, it.fresh_token(oldest)?)));
        if let Some(all) = others.collect::<Option<Vec<_>>>() {
            let others = all.into_iter().filter(|it| !ready.contains(it));
            ready.extend(others.collect::<Vec<_>>());
        }
        ready
    }

    /// Takes a contact in if it is among the nearest, and reports whether it is. A failed one comes
    /// back only if it was `validated` elsewhere.
    pub(super) fn insert(
        &mut self,
        contact: Contact<N>,
        validated: bool,
        hops: u8,
        paths: Paths,
    ) -> bool {
        let distance = contact.id.distance(&self.target);
        let at = match self.place(&contact) {
            Ok(at) => {
                let known = &mut self.list[at];
                known.paths.0 |= paths.0;
                let returns = validated && matches!(known.state, CandidateState::Failed(_));
                if returns {
                    *known = Candidate::new(contact, distance, hops, known.paths);
                }
                return returns;
            }
            Err(at) => at,
        };
        let candidate = Candidate::new(contact, distance, hops, paths);
        if !self.has_room_before(at, &candidate)
            || self.addresses(&contact.id) >= MAX_ADDRESSES
            || !self.make_room_for(contact.addr.ip(), distance, validated)
        {
            return false;
        }
        let at = self.place(&contact).unwrap_or_else(|at| at);
        self.list.insert(at, candidate);
        self.trim();
        true
    }

    /// Reports whether few candidates share an address or its network. One that has not been asked
    /// makes room for a nearer one at its address, or for one that was `validated`.
    fn make_room_for(&mut self, ip: IpAddr, distance: Distance<N>, validated: bool) -> bool {
        if !self.config.limit_private_networks && Scope::of(ip) != Scope::Public {
            return true;
        }
        let (address, network) = (Prefix::address(ip), Prefix::network(ip));
        let at_address = self.list.iter().filter(|it| it.address() == address);
        // It is no fault of a node if other ids were said to be at its address.
        let at_address = at_address.filter(|it| !validated || !it.is_failed());
        let on_network = self.list.iter().filter(|it| it.network() == network);
        let on_network = on_network.filter(|it| it.is_usable());
        let is_address_full = at_address.count() >= self.config.max_per_address;
        let is_network_full = on_network.count() >= self.config.max_per_network;
        if !is_address_full && !is_network_full {
            return true;
        }
        let may_go = |it: &Candidate<N>| {
            it.state == CandidateState::Unqueried
                && !it.in_flight
                && (validated || is_address_full && it.distance > distance)
                && (it.address() == address || !is_address_full && it.network() == network)
        };
        let last = self.list.iter().rposition(may_go);
        if let Some(at) = last {
            self.list.remove(at);
        }
        last.is_some()
    }

    /// Notes that a candidate is asked, on that of its paths on which the fewest were.
    pub(super) fn on_asked(&mut self, contact: &Contact<N>) {
        let Ok(at) = self.place(contact) else { return };
        let candidate = &mut self.list[at];
        let (paths, asked_on) = (candidate.paths, &mut self.asked_on);
        if candidate.asked_on.is_none()
            && let Some(path) = paths.iter().min_by_key(|path| asked_on[*path])
        {
            candidate.asked_on = Some(Paths::one(path));
            asked_on[path] += 1;
        }
    }

    pub(super) fn get_mut(&mut self, contact: &Contact<N>) -> Option<&mut Candidate<N>> {
        let place = self.place(contact).ok()?;
        self.list.get_mut(place)
    }

    /// Returns where the candidate for a contact is, or would be.
    fn place(&self, contact: &Contact<N>) -> Result<usize, usize> {
        let place = (contact.id.distance(&self.target), contact.addr);
        (self.list).binary_search_by(|it| (it.distance, it.contact.addr).cmp(&place))
    }

    /// Returns how many candidates have this id.
    fn addresses(&self, id: &Id<N>) -> usize {
        self.list.iter().filter(|it| it.contact.id == *id).count()
    }

    /// Sets the hops to all candidates to 1, as all are known when a new find begins.
    pub(super) fn reset_hops(&mut self) {
        for candidate in &mut self.list {
            candidate.hops = 1;
        }
    }

    /// Looks up the round trips of candidates that are new or have answered since.
    pub(super) fn look_up_round_trips(&mut self, round_trip: impl Fn(&SocketAddr) -> Duration) {
        for candidate in &mut self.list {
            let addr = &candidate.contact.addr;
            candidate.round_trip.get_or_insert_with(|| round_trip(addr));
        }
    }

    /// Notes that a candidate answered a find, and reports whether it is the first time.
    pub(super) fn on_answered(&mut self, contact: &Contact<N>, find: OpId) -> bool {
        let Some(candidate) = self.get_mut(contact) else {
            return false;
        };
        let place = candidate.answered.binary_search(&find);
        if let Err(place) = place {
            candidate.answered.insert(place, find);
        }
        place.is_err()
    }

    /// Forgets which candidates have answered a find.
    pub(super) fn forget(&mut self, find: OpId) {
        for candidate in &mut self.list {
            let answered = &mut candidate.answered;
            if let Ok(place) = answered.binary_search(&find) {
                answered.remove(place);
            }
            if answered.is_empty() {
                // Most lookups that are remembered are never asked again.
                *answered = Vec::new();
            }
        }
    }

    /// Returns how many requests of the iteration are in flight to usable candidates.
    pub(super) fn in_flight(&self) -> usize {
        self.nearest(usize::MAX)
            .filter(|candidate| candidate.in_flight)
            .count()
    }

    /// Returns how many requests of the iteration are in flight to candidates that are not waited
    /// for.
    pub(super) fn unawaited(&self) -> usize {
        self.list
            .iter()
            .filter(|candidate| candidate.in_flight && !candidate.is_usable())
            .count()
    }

    /// Returns how many candidates answered, and how many did not in time, or not at all.
    pub(super) fn tally(&self) -> (usize, usize) {
        let candidates = self.list.iter();
        candidates.fold((0, 0), |(answered, silent), candidate| {
            match candidate.state {
                CandidateState::Unqueried => (answered, silent),
                CandidateState::Responsive => (answered + 1, silent),
                CandidateState::Unresponsive(_) | CandidateState::Failed(_) => {
                    (answered, silent + 1)
                }
            }
        })
    }

    /// Forgets candidates that failed before `limit`, so that they get another chance.
    pub(super) fn drop_failed_before(&mut self, limit: Timestamp) {
        self.list.retain(
            |candidate| !matches!(candidate.state, CandidateState::Failed(since) if since < limit),
        );
    }

    /// Takes no more memory than the candidates need.
    pub(super) fn shrink(&mut self) {
        self.list.shrink_to_fit();
    }

    /// Reports whether a new candidate at this index is among the nearest on one of its paths, both
    /// of the responsive and of the unqueried. Those that are close have room of their own, where
    /// those that have answered stay.
    fn has_room_before(&self, at: usize, new: &Candidate<N>) -> bool {
        let is_close = self.is_close(new);
        let nearer = &self.list[..at];
        let alike = || nearer.iter().filter(|it| self.is_close(it) == is_close);
        if is_close {
            let close = self.list.iter().take_while(|it| self.is_close(it));
            let responsive = close.filter(|it| it.state == CandidateState::Responsive);
            if responsive.count() >= self.config.width {
                return false;
            }
        }
        new.paths.iter().any(|path| {
            let on_path = || alike().filter(|it| it.paths.contains(path));
            [CandidateState::Unqueried, CandidateState::Responsive]
                .into_iter()
                .all(|state| on_path().filter(|it| it.state == state).count() < self.config.width)
        })
    }

    /// Drops the farthest candidates of each state beyond its limit.
    fn trim(&mut self) {
        let (mut unqueried, mut responsive) = ([[0; Paths::MAX]; 2], [[0; Paths::MAX]; 2]);
        let (mut others, width, crowd_bits) = (0, self.config.width, self.crowd_bits);
        self.list.retain(|candidate| {
            let is_close = usize::from(candidate.shared_bits() >= crowd_bits);
            let counts = match candidate.state {
                CandidateState::Unqueried => &mut unqueried[is_close],
                CandidateState::Responsive => &mut responsive[is_close],
                CandidateState::Unresponsive(_) | CandidateState::Failed(_) => {
                    others += 1;
                    return others <= MAX_FAILED || candidate.in_flight;
                }
            };
            let is_kept = candidate.paths.iter().fold(false, |is_kept, path| {
                counts[path] += 1;
                is_kept || counts[path] <= width
            });
            is_kept || candidate.in_flight
        });
    }
}

impl Paths {
    /// The most paths of a lookup.
    pub(super) const MAX: usize = 4;
    /// The first path.
    pub(super) const FIRST: Self = Self(1);

    /// Returns one path by its number.
    pub(super) fn one(number: usize) -> Self {
        Self(1 << number)
    }

    fn contains(self, number: usize) -> bool {
        self.0 & Self::one(number).0 != 0
    }

    /// Iterates over their numbers.
    fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MAX).filter(move |number| self.contains(*number))
    }
}

/// How many ids of a list in order have been seen.
#[derive(Clone, Copy, Debug)]
struct Rank<const N: usize> {
    count: usize,
    last: Option<Distance<N>>,
}

impl<const N: usize> Default for Rank<N> {
    fn default() -> Self {
        Self {
            count: 0,
            last: None,
        }
    }
}

impl<const N: usize> Rank<N> {
    /// Returns the rank of the next id, from 1; an id that comes again has the same.
    fn next(&mut self, distance: Distance<N>) -> usize {
        self.count += usize::from(self.last.replace(distance) != Some(distance));
        self.count
    }
}

impl<const N: usize> Candidate<N> {
    fn new(contact: Contact<N>, distance: Distance<N>, hops: u8, paths: Paths) -> Self {
        Self {
            contact,
            state: CandidateState::Unqueried,
            token: None,
            in_flight: false,
            is_given_up: false,
            distance,
            asked_at: Timestamp::ZERO,
            slow_at: Timestamp::ZERO,
            round_trip: None,
            answered: Vec::new(),
            hops,
            paths,
            asked_on: None,
        }
    }

    /// Returns the path of what it names.
    pub(super) fn path(&self) -> Paths {
        self.asked_on.unwrap_or(self.paths)
    }

    fn address(&self) -> Prefix {
        Prefix::address(self.contact.addr.ip())
    }

    fn network(&self) -> Prefix {
        Prefix::network(self.contact.addr.ip())
    }

    fn is_failed(&self) -> bool {
        matches!(self.state, CandidateState::Failed(_))
    }

    /// Reports whether the candidate may be asked: it answered, or was not asked yet.
    pub fn is_usable(&self) -> bool {
        match self.state {
            CandidateState::Unqueried | CandidateState::Responsive => true,
            CandidateState::Unresponsive(_) | CandidateState::Failed(_) => false,
        }
    }

    /// Reports whether a request to it is overdue that it may still answer.
    pub fn is_late(&self) -> bool {
        matches!(self.state, CandidateState::Unresponsive(_)) && !self.is_given_up
    }

    /// Returns the token, unless it came before `oldest`.
    pub fn fresh_token(&self, oldest: Timestamp) -> Option<&Bytes> {
        self.token
            .as_ref()
            .filter(|token| token.at >= oldest)
            .map(|token| &token.bytes)
    }

    /// Notes that the candidate answered something.
    pub(super) fn on_answer(&mut self) {
        self.state = CandidateState::Responsive;
        self.round_trip = None;
    }

    pub(super) fn has_answered(&self, find: OpId) -> bool {
        self.answered.binary_search(&find).is_ok()
    }

    /// Returns how long it is likely to take to reply; zero if that was not looked up.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or_default()
    }

    /// Reports whether it has been asked, and most nodes would have replied.
    pub(super) fn is_slow(&self, now: Timestamp) -> bool {
        self.in_flight && self.slow_at <= now
    }

    /// Returns how many leading bits its id shares with the key; no more than 64 count.
    pub(super) fn shared_bits(&self) -> u32 {
        self.distance.leading_bits().leading_zeros()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);
    const WIDTH: usize = 3;

    proptest! {
        #[test]
        fn keeps_the_nearest_in_order(
            ids in proptest::collection::vec(any::<[u8; 20]>(), 1..80),
            target: [u8; 20],
        ) {
            let target = Id::new(target);
            let mut candidates = Candidates::new(target, config(14));
            for id in &ids {
                candidates.insert(contact_of(Id::new(*id)), false, 1, Paths::FIRST);
            }
            let mut expected: Vec<_> = ids.iter().map(|id| Id::new(*id)).collect();
            expected.sort_by_key(|id| id.distance(&target));
            expected.dedup();
            expected.truncate(14);
            let kept: Vec<_> = candidates.iter().map(|candidate| candidate.contact.id).collect();
            prop_assert_eq!(kept, expected);
        }
    }

    #[test]
    fn a_contact_is_taken_in_if_it_is_among_the_nearest() {
        let mut candidates = empty(WIDTH);
        for (byte, is_taken) in [(5, true), (6, true), (7, true), (8, false), (4, true)] {
            assert_eq!(
                candidates.insert(contact(byte), false, 1, Paths::FIRST),
                is_taken
            );
        }
        assert_eq!(all(&candidates), [4, 5, 6], "7 made way for 4");
        assert!(
            !candidates.insert(contact(4), true, 1, Paths::FIRST),
            "it is known"
        );
    }

    #[test]
    fn an_id_is_asked_at_several_addresses_which_take_one_place() {
        let mut candidates = empty(9);
        let at = |port| Contact::new(contact(1).id, ([127, 0, 0, 1], port).into());
        for (port, is_taken) in [(3, true), (1, true), (1, false), (2, true), (4, false)] {
            assert_eq!(
                candidates.insert(at(port), false, 1, Paths::FIRST),
                is_taken,
                "{port}"
            );
        }
        candidates.insert(contact(2), false, 1, Paths::FIRST);
        candidates.insert(contact(3), false, 1, Paths::FIRST);
        let nearest: Vec<_> = candidates.nearest(2).map(byte_of).collect();
        assert_eq!(nearest, [1, 1, 1, 2]);
        let candidate = candidates.get_mut(&at(2)).unwrap();
        candidate.state = CandidateState::Failed(NOW);
        let nearest = candidates.nearest(1).map(|it| it.contact);
        assert!(nearest.eq([at(1), at(3)]));
    }

    #[test]
    fn few_candidates_share_an_address_and_those_that_failed_count() {
        let mut candidates = empty(9);
        let public = |byte| Contact::new(contact(byte).id, ([192, 0, 2, 1], byte.into()).into());
        let mut insert =
            |byte, validated| candidates.insert(public(byte), validated, 1, Paths::FIRST);
        assert!(insert(5, false) && insert(4, false));
        assert!(!insert(6, false));
        assert!(insert(3, false) && insert(2, false), "the nearest are kept");
        for byte in [2, 3] {
            candidates.get_mut(&public(byte)).unwrap().state = CandidateState::Failed(NOW);
        }
        let mut insert =
            |byte, validated| candidates.insert(public(byte), validated, 1, Paths::FIRST);
        assert!(!insert(1, false), "two have been asked");
        assert!(insert(7, true), "it has answered");
        assert_eq!(all(&candidates), [2, 3, 7]);
    }

    #[test]
    fn few_candidates_that_may_answer_share_a_network() {
        let mut candidates = empty(9);
        let public = |byte: u8| Contact::new(contact(byte).id, ([192, 0, 2, byte], 1).into());
        let mut insert =
            |byte, validated| candidates.insert(public(byte), validated, 1, Paths::FIRST);
        assert!([9, 8, 7].into_iter().all(|byte| insert(byte, false)));
        assert!(!insert(1, false), "the first named stay");
        assert!(insert(2, true), "but for one that has answered");
        assert_eq!(all(&candidates), [2, 7, 8]);
        candidates.get_mut(&public(7)).unwrap().state = CandidateState::Unresponsive(1);
        assert!(candidates.insert(public(3), false, 1, Paths::FIRST));
    }

    #[test]
    fn what_is_named_on_one_path_pushes_out_nothing_that_another_knows() {
        let mut candidates = empty(WIDTH);
        let two = Paths(0b110);
        candidates.insert(contact(200), false, 1, Paths::one(1));
        candidates.insert(contact(201), false, 1, two);
        for byte in 1..=9 {
            candidates.insert(contact(byte), false, 1, Paths::FIRST);
        }
        assert_eq!(all(&candidates), [1, 2, 3, 200, 201]);
        let on = |path| {
            candidates
                .nearest_on(path, 1)
                .map(byte_of)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            [on(0), on(1), on(2), on(3)],
            [vec![1], vec![200], vec![201], vec![]]
        );
        let on_paths: Vec<_> = candidates.nearest_on_paths(1).map(byte_of).collect();
        assert_eq!(on_paths, [1, 200, 201]);
    }

    #[test]
    fn a_candidate_is_asked_on_that_of_its_paths_on_which_the_fewest_were() {
        let mut candidates = empty(WIDTH);
        let both = Paths(0b11);
        for (byte, paths, path) in [(1, both, 0), (2, both, 1), (3, Paths::FIRST, 0)] {
            candidates.insert(contact(byte), false, 1, paths);
            candidates.on_asked(&contact(byte));
            candidates.on_asked(&contact(byte));
            let candidate = candidates.get(&contact(byte)).unwrap();
            assert_eq!(candidate.path(), Paths::one(path), "{byte}");
        }
    }

    #[test]
    fn a_crowd_next_to_the_key_takes_no_places_of_others_and_ends() {
        let mut candidates = empty(9);
        candidates.set_network_size(16);
        // Ids from 4 on share fewer than six bits with the key.
        for byte in [200, 100, 50, 3] {
            candidates.insert(contact(byte), false, 1, Paths::FIRST);
        }
        let nearest = |candidates: &Candidates<20>| -> Vec<_> {
            candidates.nearest(2).map(byte_of).collect()
        };
        assert_eq!(nearest(&candidates), [3, 50], "one may be close by chance");
        let close = |port| {
            let mut id = [0; 20];
            id[19] = 100 - port as u8;
            Contact::new(Id::new(id), ([127, 0, 0, 1], port).into())
        };
        for port in 1..=4 {
            candidates.insert(close(port), false, 1, Paths::FIRST);
        }
        let ports: Vec<_> = candidates
            .nearest(2)
            .map(|it| it.contact.addr.port())
            .collect();
        assert_eq!(ports, [4, 3, 50, 100], "of the crowd and of the others");
        let mut asked = 0;
        for port in 5..50 {
            asked += usize::from(candidates.insert(close(port), false, 1, Paths::FIRST));
            if let Some(candidate) = candidates.get_mut(&close(port)) {
                candidate.state = CandidateState::Responsive;
            }
        }
        assert_eq!(asked, 9, "ever nearer ones are not asked without end");
    }

    #[test]
    fn contacts_only_named_do_not_push_out_those_that_answered() {
        let mut candidates = of(&[(9, CandidateState::Responsive)]);
        for byte in 1..=5 {
            candidates.insert(contact(byte), false, 1, Paths::FIRST);
        }
        assert_eq!(all(&candidates), [1, 2, 3, 9]);
    }

    #[test]
    fn there_is_room_behind_fewer_than_the_width_that_answered_and_fewer_that_were_named() {
        let responsive = CandidateState::Responsive;
        let full = [(1, responsive), (2, responsive), (3, responsive)];
        let mut candidates = of(&full);
        assert!(!candidates.insert(contact(4), false, 1, Paths::FIRST));
        let mut candidates = of(&full[..2]);
        assert!(candidates.insert(contact(3), false, 1, Paths::FIRST));
        assert!(
            candidates.insert(contact(4), false, 1, Paths::FIRST),
            "2 of either kind"
        );
        assert!(candidates.insert(contact(5), false, 1, Paths::FIRST));
        assert!(
            !candidates.insert(contact(6), false, 1, Paths::FIRST),
            "3 were named"
        );
    }

    #[test]
    fn those_that_did_not_answer_take_no_room_but_are_remembered_up_to_a_bound() {
        let failed = CandidateState::Failed(NOW);
        let mut candidates = empty(WIDTH);
        for byte in 1..=30 {
            assert!(candidates.insert(contact(byte), false, 1, Paths::FIRST));
            candidates.get_mut(&contact(byte)).unwrap().state = failed;
        }
        candidates.insert(contact(31), false, 1, Paths::FIRST);
        let kept: Vec<_> = (1..=MAX_FAILED as u8).chain([31]).collect();
        assert_eq!(all(&candidates), kept);
    }

    #[test]
    fn a_candidate_that_is_being_asked_is_not_dropped() {
        let named = CandidateState::Unqueried;
        let mut candidates = of(&[(5, named), (6, named), (7, named)]);
        candidates.get_mut(&contact(7)).unwrap().in_flight = true;
        candidates.insert(contact(1), false, 1, Paths::FIRST);
        candidates.insert(contact(2), false, 1, Paths::FIRST);
        assert_eq!(all(&candidates), [1, 2, 5, 7]);
    }

    #[test]
    fn a_failed_contact_comes_back_only_if_it_was_validated() {
        let mut candidates = of(&[(1, CandidateState::Failed(NOW))]);
        assert!(!candidates.insert(contact(1), false, 1, Paths::FIRST));
        assert_eq!(candidates.nearest(2).count(), 0);
        assert!(candidates.insert(contact(1), true, 1, Paths::FIRST));
        assert_eq!(candidates.nearest(2).count(), 1);
        let mut candidates = of(&[(1, CandidateState::Unresponsive(1))]);
        assert!(
            !candidates.insert(contact(1), true, 1, Paths::FIRST),
            "it may answer yet"
        );
    }

    #[test]
    fn failed_candidates_are_forgotten_after_a_time() {
        let at = Timestamp::from_micros;
        let mut candidates = of(&[
            (1, CandidateState::Failed(at(10))),
            (2, CandidateState::Failed(at(11))),
            (3, CandidateState::Unresponsive(2)),
            (4, CandidateState::Responsive),
            (5, CandidateState::Unqueried),
        ]);
        candidates.drop_failed_before(at(10));
        assert_eq!(all(&candidates), [1, 2, 3, 4, 5]);
        candidates.drop_failed_before(at(11));
        assert_eq!(all(&candidates), [2, 3, 4, 5]);
        assert!(
            candidates.insert(contact(1), false, 1, Paths::FIRST),
            "another chance"
        );
    }

    #[test]
    fn those_that_answered_and_those_that_did_not_are_counted() {
        let candidates = of(&[
            (1, CandidateState::Unqueried),
            (2, CandidateState::Responsive),
            (3, CandidateState::Responsive),
            (4, CandidateState::Unresponsive(1)),
            (5, CandidateState::Failed(NOW)),
            (6, CandidateState::Failed(NOW)),
        ]);
        assert_eq!(candidates.tally(), (2, 3));
        assert_eq!(empty(WIDTH).tally(), (0, 0));
    }

    #[test]
    fn requests_in_flight_are_waited_for_or_not() {
        let mut candidates = of(&[
            (1, CandidateState::Unqueried),
            (2, CandidateState::Responsive),
            (3, CandidateState::Unresponsive(1)),
            (4, CandidateState::Failed(NOW)),
            (5, CandidateState::Unresponsive(2)),
        ]);
        assert_eq!((candidates.in_flight(), candidates.unawaited()), (0, 0));
        for byte in [1, 3, 4] {
            candidates.get_mut(&contact(byte)).unwrap().in_flight = true;
        }
        assert_eq!((candidates.in_flight(), candidates.unawaited()), (1, 2));
    }

    #[test]
    fn the_unresponsive_make_room_for_farther_ones() {
        let mut candidates = of(&[(1, CandidateState::Unresponsive(1))]);
        for byte in 2..=4 {
            assert!(candidates.insert(contact(byte), false, 1, Paths::FIRST));
        }
        let nearest: Vec<_> = candidates.nearest(2).map(byte_of).collect();
        assert_eq!(nearest, [2, 3]);
    }

    #[test]
    fn a_candidate_answers_each_find_once_until_it_is_over() {
        let mut candidates = of(&[(1, CandidateState::Responsive)]);
        let id = contact(1);
        for number in [2, 3, 1] {
            assert!(candidates.on_answered(&id, OpId(number)));
            assert!(!candidates.on_answered(&id, OpId(number)));
        }
        candidates.forget(OpId(2));
        let candidate = candidates.get_mut(&id).unwrap();
        let known = [1, 2, 3].map(|number| candidate.has_answered(OpId(number)));
        assert_eq!(known, [true, false, true]);
        assert!(!candidates.on_answered(&contact(9), OpId(4)), "unknown");
    }

    #[test]
    fn what_is_over_leaves_no_memory_behind() {
        let mut candidates = of(&[(1, CandidateState::Responsive)]);
        let id = contact(1);
        for number in 0..100 {
            candidates.on_answered(&id, OpId(number));
        }
        for number in 0..100 {
            candidates.forget(OpId(number));
        }
        assert_eq!(candidates.get(&id).unwrap().answered.capacity(), 0);
        for byte in 2..=40 {
            candidates.insert(contact(byte), false, 1, Paths::FIRST);
            candidates.get_mut(&contact(byte)).unwrap().state = CandidateState::Failed(NOW);
        }
        candidates.drop_failed_before(Timestamp::MAX);
        candidates.shrink();
        assert_eq!(candidates.list.capacity(), 1);
    }

    #[test]
    fn a_round_trip_is_looked_up_once_for_each_answer() {
        let mut candidates = of(&[(1, CandidateState::Unqueried)]);
        let round_trip = |candidates: &Candidates<20>| {
            let candidate = candidates.nearest(1).next().unwrap();
            candidate.round_trip().as_millis()
        };
        let ms = Duration::from_millis;
        assert_eq!(round_trip(&candidates), 0);
        candidates.look_up_round_trips(|_| ms(70));
        candidates.look_up_round_trips(|_| ms(50));
        assert_eq!(round_trip(&candidates), 70);
        let candidate = candidates.get_mut(&contact(1)).unwrap();
        candidate.on_answer();
        assert_eq!(candidate.state, CandidateState::Responsive);
        candidates.look_up_round_trips(|addr| ms(addr.port().into()));
        assert_eq!(round_trip(&candidates), 1);
    }

    #[test]
    fn values_go_to_the_leading_candidates_with_a_token_but_not_to_the_last_before_one_without() {
        let mut candidates = of(&[1, 2, 3, 4].map(|byte| (byte, CandidateState::Responsive)));
        let ready = |candidates: &Candidates<20>, count, oldest| -> Vec<_> {
            let ready = candidates.ready(count, Timestamp::from_micros(oldest));
            ready
                .iter()
                .map(|(contact, _)| contact.addr.port())
                .collect()
        };
        let mut give = |byte, at| {
            let candidate = candidates.get_mut(&contact(byte)).unwrap();
            let (bytes, at) = ("token".into(), Timestamp::from_micros(at));
            candidate.token = Some(Token { bytes, at });
        };
        give(1, 10);
        give(2, 11);
        give(4, 12);
        assert_eq!(ready(&candidates, 8, 10), [1]);
        assert_eq!(ready(&candidates, 2, 10), [1, 2]);
        assert_eq!(ready(&candidates, 8, 11), [], "the first is too old");
        candidates.get_mut(&contact(3)).unwrap().state = CandidateState::Unresponsive(1);
        assert_eq!(ready(&candidates, 8, 10), [1, 2, 4]);
        let candidate = candidates.get(&contact(1)).unwrap();
        assert_eq!(candidate.fresh_token(Timestamp::from_micros(11)), None);
    }

    #[test]
    fn a_candidate_is_slow_when_most_would_have_replied() {
        let mut candidates = of(&[(1, CandidateState::Responsive)]);
        let candidate = candidates.get_mut(&contact(1)).unwrap();
        candidate.slow_at = NOW;
        assert!(!candidate.is_slow(NOW), "it is not asked");
        candidate.in_flight = true;
        assert!(candidate.is_slow(NOW));
        assert!(!candidate.is_slow(Timestamp::ZERO));
        assert_eq!(candidate.shared_bits(), 7);
    }

    fn empty(width: usize) -> Candidates<20> {
        Candidates::new(Id::ZERO, config(width))
    }

    fn config(width: usize) -> IterateConfig {
        IterateConfig {
            width,
            ..IterateConfig::default()
        }
    }

    /// Candidates of these states; each id begins with its number, which is also its port.
    fn of(states: &[(u8, CandidateState)]) -> Candidates<20> {
        let mut candidates = empty(WIDTH);
        for (byte, state) in states {
            let distance = contact(*byte).id.distance(&Id::ZERO);
            let candidate = Candidate {
                state: *state,
                ..Candidate::new(contact(*byte), distance, 1, Paths::FIRST)
            };
            candidates.list.push(candidate);
        }
        candidates
    }

    fn all(candidates: &Candidates<20>) -> Vec<u8> {
        candidates.iter().map(byte_of).collect()
    }

    fn byte_of(candidate: &Candidate<20>) -> u8 {
        candidate.contact.id.as_bytes()[0]
    }

    fn contact(byte: u8) -> Contact<20> {
        let mut id = [0; 20];
        id[0] = byte;
        contact_of(Id::new(id))
    }

    fn contact_of(id: Id<20>) -> Contact<20> {
        Contact::new(id, ([127, 0, 0, 1], id.as_bytes()[0].into()).into())
    }
}
