//! [`Candidates`]: the contacts nearest to a key that a lookup knows, Kademlia's shortlist, each
//! with its state in this lookup.
//!
//! Invariants: sorted by distance, contacts unique; at most [`MAX_ADDRESSES`] contacts of an id; at
//! most `width` candidates that answered, `width` unqueried ones, and [`MAX_FAILED`] others. So
//! peers that invent contacts, nearer than any other, cannot push out the nodes that are there; and
//! a peer that names the id of a node at another address does not hide that node.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::{Contact, Distance, Id, OpId, Timestamp};

/// Candidates kept that are unresponsive or failed, so that they are not taken for new ones when
/// named again.
const MAX_FAILED: usize = 25;
/// Addresses at which one id is asked.
const MAX_ADDRESSES: usize = 3;

/// The contacts nearest to a key, nearest first.
#[derive(Debug)]
pub struct Candidates<const N: usize> {
    target: Id<N>,
    width: usize,
    list: Vec<Candidate<N>>,
}

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
    pub(super) fn new(target: Id<N>, width: usize) -> Self {
        Self {
            target,
            width,
            list: Vec::new(),
        }
    }

    /// Iterates over all candidates, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<N>> {
        self.list.iter()
    }

    /// Iterates over the usable candidates of the `count` nearest ids that have any.
    pub fn nearest(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        of_ids(count, self.list.iter().filter(|it| it.is_usable()))
    }

    /// Iterates over the candidates of the `count` nearest ids that are usable or may still answer.
    pub fn nearest_or_late(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        let hopeful = self.list.iter();
        of_ids(count, hopeful.filter(|it| it.is_usable() || it.is_late()))
    }

    /// Returns the candidate for this contact.
    pub fn get(&self, contact: &Contact<N>) -> Option<&Candidate<N>> {
        self.list.get(self.place(contact).ok()?)
    }

    /// Returns the candidates to send values to, with tokens no older than `oldest`: those known to
    /// be nearest. While one of the `count` nearest has no token, these are the candidates before
    /// it, but for the last of them (`docs/spec/node.md#4.6`). Those that are late keep their place
    /// until there is no hope for them.
    pub fn ready(&self, count: usize, oldest: Timestamp) -> Vec<(Contact<N>, &Bytes)> {
        let mut ready = Vec::new();
        let nearest = self.nearest_or_late(count);
        for candidate in nearest.filter(|candidate| candidate.is_usable()) {
            let Some(token) = candidate.fresh_token(oldest) else {
                ready.pop();
                break;
            };
            ready.push((candidate.contact, token));
        }
        ready
    }

    /// Takes a contact in if it is among the nearest, and reports whether it is. A failed one comes
    /// back only if it was `validated` elsewhere.
    pub(super) fn insert(&mut self, contact: Contact<N>, validated: bool, hops: u8) -> bool {
        let distance = contact.id.distance(&self.target);
        match self.place(&contact) {
            Ok(at) => {
                let known = &mut self.list[at];
                let returns = validated && matches!(known.state, CandidateState::Failed(_));
                if returns {
                    *known = Candidate::new(contact, distance, hops);
                }
                returns
            }
            Err(at) if self.has_room_before(at) && self.addresses(&contact.id) < MAX_ADDRESSES => {
                self.list
                    .insert(at, Candidate::new(contact, distance, hops));
                self.trim();
                true
            }
            Err(_) => false,
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

    /// Reports whether a new candidate at this index is among the nearest, both of the responsive
    /// and of the unqueried.
    fn has_room_before(&self, at: usize) -> bool {
        let nearer = &self.list[..at];
        [CandidateState::Unqueried, CandidateState::Responsive]
            .into_iter()
            .all(|state| {
                let alike = nearer.iter().filter(|candidate| candidate.state == state);
                alike.count() < self.width
            })
    }

    /// Drops the farthest candidates of each state beyond its limit.
    fn trim(&mut self) {
        let (mut unqueried, mut responsive, mut others) = (0, 0, 0);
        let width = self.width;
        self.list.retain(|candidate| {
            let (count, limit) = match candidate.state {
                CandidateState::Unqueried => (&mut unqueried, width),
                CandidateState::Responsive => (&mut responsive, width),
                CandidateState::Unresponsive(_) | CandidateState::Failed(_) => {
                    (&mut others, MAX_FAILED)
                }
            };
            *count += 1;
            *count <= limit || candidate.in_flight
        });
    }
}

impl<const N: usize> Candidate<N> {
    fn new(contact: Contact<N>, distance: Distance<N>, hops: u8) -> Self {
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
        }
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

/// Iterates over the leading candidates, as long as they have no more than `count` ids.
fn of_ids<'a, const N: usize>(
    count: usize,
    candidates: impl Iterator<Item = &'a Candidate<N>>,
) -> impl Iterator<Item = &'a Candidate<N>> {
    let (mut ids, mut last) = (0, None);
    candidates.take_while(move |candidate| {
        if last.replace(candidate.distance) != Some(candidate.distance) {
            ids += 1;
        }
        ids <= count
    })
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
            let mut candidates = Candidates::new(target, 14);
            for id in &ids {
                candidates.insert(contact_of(Id::new(*id)), false, 1);
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
        let mut candidates = Candidates::new(Id::ZERO, WIDTH);
        for (byte, is_taken) in [(5, true), (6, true), (7, true), (8, false), (4, true)] {
            assert_eq!(candidates.insert(contact(byte), false, 1), is_taken);
        }
        assert_eq!(all(&candidates), [4, 5, 6], "7 made way for 4");
        assert!(!candidates.insert(contact(4), true, 1), "it is known");
    }

    #[test]
    fn an_id_is_asked_at_several_addresses_which_take_one_place() {
        let mut candidates = Candidates::new(Id::ZERO, 9);
        let at = |port| Contact::new(contact(1).id, ([127, 0, 0, 1], port).into());
        for (port, is_taken) in [(3, true), (1, true), (1, false), (2, true), (4, false)] {
            assert_eq!(candidates.insert(at(port), false, 1), is_taken, "{port}");
        }
        candidates.insert(contact(2), false, 1);
        candidates.insert(contact(3), false, 1);
        let nearest: Vec<_> = candidates.nearest(2).map(byte_of).collect();
        assert_eq!(nearest, [1, 1, 1, 2]);
        let candidate = candidates.get_mut(&at(2)).unwrap();
        candidate.state = CandidateState::Failed(NOW);
        let nearest = candidates.nearest(1).map(|it| it.contact);
        assert!(nearest.eq([at(1), at(3)]));
    }

    #[test]
    fn contacts_only_named_do_not_push_out_those_that_answered() {
        let mut candidates = of(&[(9, CandidateState::Responsive)]);
        for byte in 1..=5 {
            candidates.insert(contact(byte), false, 1);
        }
        assert_eq!(all(&candidates), [1, 2, 3, 9]);
    }

    #[test]
    fn there_is_room_behind_fewer_than_the_width_that_answered_and_fewer_that_were_named() {
        let responsive = CandidateState::Responsive;
        let full = [(1, responsive), (2, responsive), (3, responsive)];
        let mut candidates = of(&full);
        assert!(!candidates.insert(contact(4), false, 1));
        let mut candidates = of(&full[..2]);
        assert!(candidates.insert(contact(3), false, 1));
        assert!(candidates.insert(contact(4), false, 1), "2 of either kind");
        assert!(candidates.insert(contact(5), false, 1));
        assert!(!candidates.insert(contact(6), false, 1), "3 were named");
    }

    #[test]
    fn those_that_did_not_answer_take_no_room_but_are_remembered_up_to_a_bound() {
        let failed = CandidateState::Failed(NOW);
        let mut candidates = Candidates::new(Id::ZERO, WIDTH);
        for byte in 1..=30 {
            assert!(candidates.insert(contact(byte), false, 1));
            candidates.get_mut(&contact(byte)).unwrap().state = failed;
        }
        candidates.insert(contact(31), false, 1);
        let kept: Vec<_> = (1..=MAX_FAILED as u8).chain([31]).collect();
        assert_eq!(all(&candidates), kept);
    }

    #[test]
    fn a_candidate_that_is_being_asked_is_not_dropped() {
        let named = CandidateState::Unqueried;
        let mut candidates = of(&[(5, named), (6, named), (7, named)]);
        candidates.get_mut(&contact(7)).unwrap().in_flight = true;
        candidates.insert(contact(1), false, 1);
        candidates.insert(contact(2), false, 1);
        assert_eq!(all(&candidates), [1, 2, 5, 7]);
    }

    #[test]
    fn a_failed_contact_comes_back_only_if_it_was_validated() {
        let mut candidates = of(&[(1, CandidateState::Failed(NOW))]);
        assert!(!candidates.insert(contact(1), false, 1));
        assert_eq!(candidates.nearest(2).count(), 0);
        assert!(candidates.insert(contact(1), true, 1));
        assert_eq!(candidates.nearest(2).count(), 1);
        let mut candidates = of(&[(1, CandidateState::Unresponsive(1))]);
        assert!(!candidates.insert(contact(1), true, 1), "it may answer yet");
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
        assert!(candidates.insert(contact(1), false, 1), "another chance");
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
        assert_eq!(Candidates::<20>::new(Id::ZERO, WIDTH).tally(), (0, 0));
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
            assert!(candidates.insert(contact(byte), false, 1));
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
            candidates.insert(contact(byte), false, 1);
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

    /// Candidates of these states; each id begins with its number, which is also its port.
    fn of(states: &[(u8, CandidateState)]) -> Candidates<20> {
        let mut candidates = Candidates::new(Id::ZERO, WIDTH);
        for (byte, state) in states {
            let distance = contact(*byte).id.distance(&Id::ZERO);
            let candidate = Candidate {
                state: *state,
                ..Candidate::new(contact(*byte), distance, 1)
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
