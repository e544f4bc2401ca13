//! [`Candidates`]: the contacts nearest to a key that a lookup knows, each with its standing in this lookup.
//!
//! Invariants: sorted by distance, ids unique; at most `width` candidates that answered, `width` that were only named,
//! and [`MAX_FAILED`] others. So those who name contacts that do not exist, nearer than anybody, cannot push out the
//! nodes that are there.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::{Contact, Distance, Id, OpId, Timestamp};

/// Candidates kept that are late or gone, so that they are not taken for new ones when named again.
const MAX_FAILED: usize = 25;

/// The contacts nearest to a key, nearest first.
#[derive(Debug)]
pub struct Candidates<const N: usize> {
    target: Id<N>,
    width: usize,
    candidates: Vec<Candidate<N>>,
}

/// A contact in the frontier.
#[derive(Debug)]
pub struct Candidate<const N: usize> {
    /// The contact.
    pub contact: Contact<N>,
    distance: Distance<N>,
    /// Whether it answers.
    pub state: CandidateState,
    /// The write token that it gave last.
    pub token: Option<Token>,
    /// A find of the walk is on its way to it.
    pub busy: bool,
    /// When the walk asked it last.
    pub asked_at: Timestamp,
    /// When most would have answered that.
    pub slow_at: Timestamp,
    /// How long it is likely to take to answer, if that was looked up since it last did.
    round_trip: Option<Duration>,
    /// The finds that it has answered, in order: an application may have thousands for one key.
    answered: Vec<OpId>,
    /// Its place in the row of nodes that named each other: 1 if we knew it by ourselves.
    pub hops: u8,
}

/// Whether a candidate answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CandidateState {
    /// It was named, and has not answered yet.
    Unqueried,
    /// It answered.
    Responsive,
    /// An answer is overdue, for this many time-outs.
    Unresponsive(u32),
    /// It did not answer at all.
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
    /// Makes an empty list of at most `width` candidates that answered, and as many others.
    pub fn new(target: Id<N>, width: usize) -> Self {
        Self {
            target,
            width,
            candidates: Vec::new(),
        }
    }

    /// Takes a contact in if it is among the nearest; says whether it does. A gone one comes back only if it `proved`
    /// itself elsewhere.
    pub fn insert(&mut self, contact: Contact<N>, proved: bool, hops: u8) -> bool {
        let distance = contact.id.distance(&self.target);
        match self
            .candidates
            .binary_search_by(|candidate| candidate.distance.cmp(&distance))
        {
            Ok(at) => {
                let known = &mut self.candidates[at];
                let returns = proved && matches!(known.state, CandidateState::Failed(_));
                if returns {
                    *known = Candidate::new(contact, distance, hops);
                }
                returns
            }
            Err(at) if self.has_room_before(at) => {
                self.candidates
                    .insert(at, Candidate::new(contact, distance, hops));
                self.trim();
                true
            }
            Err(_) => false,
        }
    }

    /// The `count` nearest candidates that are live.
    pub fn nearest(&self, count: usize) -> impl Iterator<Item = &Candidate<N>> {
        self.candidates
            .iter()
            .filter(|candidate| candidate.is_usable())
            .take(count)
    }

    /// The candidates that may be given values, with tokens no older than `oldest`: those known to be nearest. While the
    /// walk is not over these are all but the last of the leading candidates with a token, if that
    /// leaves any (`docs/spec/node.md#4.6`).
    pub fn ready(&self, count: usize, oldest: Timestamp) -> Vec<(Contact<N>, &Bytes)> {
        let mut ready = Vec::new();
        for candidate in self.nearest(count) {
            let Some(token) = candidate.fresh_token(oldest) else {
                ready.pop();
                break;
            };
            ready.push((candidate.contact, token));
        }
        ready
    }

    /// All candidates, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<N>> {
        self.candidates.iter()
    }

    /// Returns the candidate of this id.
    pub fn get(&self, id: &Id<N>) -> Option<&Candidate<N>> {
        self.candidates.get(self.place(id)?)
    }

    /// Returns the candidate of this id, to be changed.
    pub fn get_mut(&mut self, id: &Id<N>) -> Option<&mut Candidate<N>> {
        let place = self.place(id)?;
        self.candidates.get_mut(place)
    }

    fn place(&self, id: &Id<N>) -> Option<usize> {
        let distance = id.distance(&self.target);
        self.candidates
            .binary_search_by(|candidate| candidate.distance.cmp(&distance))
            .ok()
    }

    /// A new find begins: all candidates are known by now.
    pub fn start_over(&mut self) {
        for candidate in &mut self.candidates {
            candidate.hops = 1;
        }
    }

    /// Looks up the round trips of those that are new or have answered.
    pub fn measure(&mut self, round_trip: impl Fn(&SocketAddr) -> Duration) {
        for candidate in &mut self.candidates {
            let addr = &candidate.contact.addr;
            candidate.round_trip.get_or_insert_with(|| round_trip(addr));
        }
    }

    /// A candidate answered a find; says whether for the first time.
    pub fn on_answered(&mut self, id: &Id<N>, find: OpId) -> bool {
        let Some(candidate) = self.get_mut(id) else {
            return false;
        };
        let place = candidate.answered.binary_search(&find);
        if let Err(place) = place {
            candidate.answered.insert(place, find);
        }
        place.is_err()
    }

    /// A find is over.
    pub fn forget(&mut self, find: OpId) {
        for candidate in &mut self.candidates {
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

    /// How many requests of the walk are on their way to the `count` nearest candidates that may still answer in time.
    pub fn busy(&self, count: usize) -> usize {
        self.nearest(count)
            .filter(|candidate| candidate.busy)
            .count()
    }

    /// How many requests of the walk are on their way to candidates that are not waited for.
    pub fn unawaited(&self) -> usize {
        self.candidates
            .iter()
            .filter(|candidate| candidate.busy && !candidate.is_usable())
            .count()
    }

    /// How many candidates answered, and how many did not, or not yet.
    pub fn tally(&self) -> (usize, usize) {
        let candidates = self.candidates.iter();
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

    /// Forgets candidates that have been gone since before `limit`, so that they get another chance.
    pub fn drop_failed_before(&mut self, limit: Timestamp) {
        self.candidates.retain(
            |candidate| !matches!(candidate.state, CandidateState::Failed(since) if since < limit),
        );
    }

    /// Takes no more memory than its candidates need.
    pub fn shrink(&mut self) {
        self.candidates.shrink_to_fit();
    }

    /// Whether a newcomer at this place is among the nearest, both of those that answered and of those only named.
    fn has_room_before(&self, at: usize) -> bool {
        let nearer = &self.candidates[..at];
        [CandidateState::Unqueried, CandidateState::Responsive]
            .into_iter()
            .all(|state| {
                let alike = nearer.iter().filter(|candidate| candidate.state == state);
                alike.count() < self.width
            })
    }

    /// Drops the farthest of those that are too many.
    fn trim(&mut self) {
        let (mut named, mut live, mut others) = (0, 0, 0);
        let width = self.width;
        self.candidates.retain(|candidate| {
            let (count, limit) = match candidate.state {
                CandidateState::Unqueried => (&mut named, width),
                CandidateState::Responsive => (&mut live, width),
                CandidateState::Unresponsive(_) | CandidateState::Failed(_) => {
                    (&mut others, MAX_FAILED)
                }
            };
            *count += 1;
            *count <= limit || candidate.busy
        });
    }
}

impl<const N: usize> Candidate<N> {
    fn new(contact: Contact<N>, distance: Distance<N>, hops: u8) -> Self {
        Self {
            contact,
            distance,
            state: CandidateState::Unqueried,
            token: None,
            busy: false,
            asked_at: Timestamp::ZERO,
            slow_at: Timestamp::ZERO,
            round_trip: None,
            answered: Vec::new(),
            hops,
        }
    }

    /// It answered something.
    pub fn on_answer(&mut self) {
        self.state = CandidateState::Responsive;
        self.round_trip = None;
    }

    /// Reports whether it has answered a find.
    pub fn has_answered(&self, find: OpId) -> bool {
        self.answered.binary_search(&find).is_ok()
    }

    /// How long it is likely to take to answer, if that is known.
    pub fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or_default()
    }

    /// Whether it has been asked, and most would have answered.
    pub fn is_slow(&self, now: Timestamp) -> bool {
        self.busy && self.slow_at <= now
    }

    /// How many leading bits its id shares with the key; no more than 64 count.
    pub fn shared_bits(&self) -> u32 {
        self.distance.leading_bits().leading_zeros()
    }

    /// Whether it may be asked: it answered, or is yet to do so.
    pub fn is_usable(&self) -> bool {
        matches!(
            self.state,
            CandidateState::Unqueried | CandidateState::Responsive
        )
    }

    /// The token, unless it came before `oldest`.
    pub fn fresh_token(&self, oldest: Timestamp) -> Option<&Bytes> {
        self.token
            .as_ref()
            .filter(|token| token.at >= oldest)
            .map(|token| &token.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Contact = crate::Contact<20>;
    type Id = crate::Id<20>;

    proptest! {
        #[test]
        fn keeps_the_nearest_in_order(ids in proptest::collection::vec(any::<[u8; 20]>(), 1..80), target: [u8; 20]) {
            let target = Id::new(target);
            let mut candidates = Candidates::new(target, 14);
            for id in &ids {
                candidates.insert(contact(*id), false, 1);
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
    fn contacts_only_named_do_not_push_out_those_that_answered() {
        let mut candidates = Candidates::new(Id::ZERO, 2);
        let far = contact([9; 20]);
        candidates.insert(far, false, 1);
        candidates.get_mut(&far.id).unwrap().state = CandidateState::Responsive;
        for byte in 1..=5 {
            candidates.insert(contact([byte; 20]), false, 1);
        }
        let kept: Vec<_> = candidates
            .iter()
            .map(|candidate| candidate.contact)
            .collect();
        assert_eq!(kept, [contact([1; 20]), contact([2; 20]), far]);
    }

    #[test]
    fn a_gone_contact_comes_back_only_with_proof() {
        let mut candidates = Candidates::new(Id::ZERO, 2);
        let node = contact([1; 20]);
        candidates.insert(node, false, 1);
        candidates.get_mut(&node.id).unwrap().state = CandidateState::Failed(Timestamp::ZERO);
        candidates.insert(node, false, 1);
        assert_eq!(candidates.nearest(2).count(), 0);
        candidates.insert(node, true, 1);
        assert_eq!(candidates.nearest(2).count(), 1);
    }

    #[test]
    fn a_candidate_answers_each_question_once_until_it_is_over() {
        let mut candidates = Candidates::new(Id::ZERO, 2);
        let node = contact([1; 20]);
        candidates.insert(node, false, 1);
        for number in [2, 3, 1] {
            assert!(candidates.on_answered(&node.id, OpId(number)));
            assert!(!candidates.on_answered(&node.id, OpId(number)));
        }
        candidates.forget(OpId(2));
        let candidate = candidates.get_mut(&node.id).unwrap();
        let known = [1, 2, 3].map(|number| candidate.has_answered(OpId(number)));
        assert_eq!(known, [true, false, true]);
        assert!(!candidates.on_answered(&Id::new([9; 20]), OpId(4)));
    }

    #[test]
    fn the_late_make_room_for_farther_ones() {
        let mut candidates = Candidates::new(Id::ZERO, 2);
        for byte in 1..=2 {
            candidates.insert(contact([byte; 20]), false, 1);
        }
        candidates.get_mut(&Id::new([1; 20])).unwrap().state = CandidateState::Unresponsive(1);
        candidates.insert(contact([3; 20]), false, 1);
        let live: Vec<_> = candidates
            .nearest(8)
            .map(|candidate| candidate.contact.id)
            .collect();
        assert_eq!(live, [Id::new([2; 20]), Id::new([3; 20])]);
    }

    fn contact(id: [u8; 20]) -> Contact {
        Contact::new(Id::new(id), "127.0.0.1:4222".parse().unwrap())
    }
}
