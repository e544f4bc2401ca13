//! [`Bucket`]: the contacts whose ids share a prefix, at most k of them, and one that waits for a
//! place.

use crate::{Contact, Id, Prefix, Rng, Timestamp};

use super::diversity::Diversity;
use super::entry::{Ages, Confidence, Entry, Standing};

/// Covers the ids that share the first `depth` bits of `first`, whose other bits are zero.
#[derive(Debug)]
pub(super) struct Bucket<const N: usize> {
    pub(super) first: Id<N>,
    pub(super) depth: usize,
    /// Oldest first; no id twice.
    pub(super) entries: Vec<Entry<N>>,
    /// A contact that found no place, and is pinged as soon as there is one.
    pub(super) candidate: Option<Contact<N>>,
    /// When a contact of this range last replied.
    pub(super) replied: Option<Timestamp>,
    /// When it was last refreshed.
    pub(super) refreshed: Option<Timestamp>,
}

impl<const N: usize> Bucket<N> {
    /// Returns the bucket of all ids, without contacts.
    pub(super) fn everything() -> Self {
        Self {
            first: Id::ZERO,
            depth: 0,
            entries: Vec::new(),
            candidate: None,
            replied: None,
            refreshed: None,
        }
    }

    pub(super) fn covers(&self, id: &Id<N>) -> bool {
        self.first.common_prefix(id) >= self.depth
    }

    pub(super) fn find(&mut self, id: &Id<N>) -> Option<&mut Entry<N>> {
        self.entries.iter_mut().find(|entry| entry.id() == id)
    }

    /// Counts the contacts of a network that are not expired.
    pub(super) fn count_in(&self, network: Prefix) -> usize {
        let is_of_it = |entry: &&Entry<N>| !entry.is_expired() && network.contains(entry.ip());
        self.entries.iter().filter(is_of_it).count()
    }

    pub(super) fn has_only_good(&self, ages: Ages, now: Timestamp) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.standing(ages, now) == Standing::Good)
    }

    /// Enters a new contact if a place is free or held by one that is certainly worth less, and
    /// reports whether it does.
    ///
    /// Differs: in OpenDHT only an expired one makes way. Here one that replied also takes the
    /// place of one that never did, so that contacts that do not exist, be they named or forged as
    /// senders, cannot fill a table.
    pub(super) fn place(
        &mut self,
        contact: Contact<N>,
        confidence: Confidence,
        now: Timestamp,
        size: usize,
        diversity: &mut Diversity,
    ) -> bool {
        if self.entries.len() >= size {
            let expired = self.entries.iter().position(Entry::is_expired);
            let yielding = expired.or_else(|| match confidence {
                Confidence::Replied => self.entries.iter().position(Entry::is_unverified),
                Confidence::Named | Confidence::Sent => None,
            });
            let Some(index) = yielding else {
                return false;
            };
            self.remove(index, diversity);
        }
        diversity.add(contact.addr.ip());
        self.entries.push(Entry::new(contact, confidence, now));
        self.candidate.take_if(|waiting| waiting.id == contact.id);
        true
    }

    /// Removes a contact.
    pub(super) fn remove(&mut self, index: usize, diversity: &mut Diversity) {
        let entry = self.entries.remove(index);
        if !entry.is_expired() {
            diversity.remove(entry.ip());
        }
    }

    /// Lets a contact wait for a place: one that showed a sign of life in place of any other, one
    /// that was only named if none waits.
    pub(super) fn remember(&mut self, contact: Contact<N>, confidence: Confidence) {
        if confidence >= Confidence::Sent || self.candidate.is_none() {
            self.candidate = Some(contact);
        }
    }

    /// Returns the first contact that is not good and not being asked already, to be asked.
    pub(super) fn ask_doubtful(&mut self, ages: Ages, now: Timestamp) -> Option<Contact<N>> {
        self.entries
            .iter_mut()
            .find(|entry| entry.is_askable(now) && entry.standing(ages, now) != Standing::Good)
            .map(|entry| entry.ask(now))
    }

    /// Returns any contact that can be asked now, to be asked.
    pub(super) fn ask_any(&mut self, now: Timestamp, rng: &mut Rng) -> Option<Contact<N>> {
        let askable = |entry: &&mut Entry<N>| entry.is_askable(now);
        let count = self.entries.iter_mut().filter(askable).count();
        let chosen = rng.below(count as u64) as usize;
        self.entries
            .iter_mut()
            .filter(askable)
            .nth(chosen)
            .map(|entry| entry.ask(now))
    }

    /// Drops the expired contacts. Takes the one that waits if there is a place for it now.
    pub(super) fn purge(&mut self) -> Option<Contact<N>> {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.is_expired());
        if self.entries.len() < before {
            self.candidate.take()
        } else {
            None
        }
    }

    /// Keeps the lower half of the range and returns the upper one.
    pub(super) fn split(&mut self) -> Self {
        let bit = self.depth;
        let is_upper = |id: &Id<N>| id.bit(bit);
        self.depth += 1;
        Self {
            first: self.first.with_bit(bit, true),
            depth: self.depth,
            entries: self
                .entries
                .extract_if(.., |entry| is_upper(entry.id()))
                .collect(),
            candidate: self.candidate.take_if(|waiting| is_upper(&waiting.id)),
            replied: self.replied,
            refreshed: self.refreshed,
        }
    }

    /// Draws an id of its range.
    pub(super) fn random_id(&self, rng: &mut Rng) -> Id<N> {
        (0..self.depth).fold(rng.hash(), |id, bit| id.with_bit(bit, self.first.bit(bit)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Seed;
    use crate::routing::RoutingConfig;

    use super::*;

    fn place(
        bucket: &mut Bucket<20>,
        contact: Contact<20>,
        confidence: Confidence,
        size: usize,
    ) -> bool {
        let mut diversity = Diversity::new(&RoutingConfig::default());
        bucket.place(contact, confidence, Timestamp::ZERO, size, &mut diversity)
    }

    fn contact(id: [u8; 20]) -> Contact<20> {
        Contact::new(Id::new(id), ([192, 0, 2, 1], 1).into())
    }

    proptest! {
        #[test]
        fn halves_share_out_range_and_contacts(
            ids in prop::collection::vec(any::<[u8; 20]>(), 0..20),
            waiting in any::<[u8; 20]>().prop_map(contact),
            path in any::<[bool; 8]>(),
        ) {
            let mut bucket = Bucket::everything();
            for id in ids {
                place(&mut bucket, contact(id), Confidence::Sent, usize::MAX);
            }
            let mut rng = Seed::from_number(1).public();
            for go_up in path {
                let before = bucket.entries.len();
                let here = bucket.covers(&waiting.id);
                bucket.candidate = here.then_some(waiting);
                let upper = bucket.split();
                prop_assert_eq!(bucket.entries.len() + upper.entries.len(), before);
                for half in [&bucket, &upper] {
                    prop_assert!(half.entries.iter().all(|entry| half.covers(entry.id())));
                    prop_assert!(half.covers(&half.random_id(&mut rng)));
                    let waits_here = here && half.covers(&waiting.id);
                    prop_assert_eq!(half.candidate, waits_here.then_some(waiting));
                }
                prop_assert!(!bucket.covers(&upper.first));
                if go_up {
                    bucket = upper;
                }
            }
        }
    }

    #[test]
    fn a_contact_only_named_does_not_displace_one_that_waits() {
        let mut bucket = Bucket::everything();
        bucket.remember(contact([1; 20]), Confidence::Named);
        bucket.remember(contact([2; 20]), Confidence::Named);
        assert_eq!(bucket.candidate, Some(contact([1; 20])));
        bucket.remember(contact([3; 20]), Confidence::Sent);
        assert_eq!(bucket.candidate, Some(contact([3; 20])));
    }

    #[test]
    fn a_contact_that_replied_takes_the_place_of_one_that_never_did() {
        let mut bucket = Bucket::everything();
        assert!(place(&mut bucket, contact([1; 20]), Confidence::Sent, 2));
        assert!(place(&mut bucket, contact([2; 20]), Confidence::Named, 2));
        assert!(!place(&mut bucket, contact([3; 20]), Confidence::Sent, 2));
        assert!(place(&mut bucket, contact([3; 20]), Confidence::Replied, 2));
        assert!(place(&mut bucket, contact([4; 20]), Confidence::Replied, 2));
        assert!(!place(
            &mut bucket,
            contact([5; 20]),
            Confidence::Replied,
            2
        ));
        assert!(bucket.find(&Id::new([1; 20])).is_none());
    }
}
