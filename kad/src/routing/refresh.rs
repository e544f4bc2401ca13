//! [`Refresh`]: which part of the table is to be refreshed, by a `find` of which id
//! (`docs/spec/node.md#3.1`).

use std::cmp::Reverse;
use std::time::Duration;

use crate::{Contact, Id, Rng, Timestamp};

use super::{Standing, Table};

/// A `find` that brings news of a part of the id space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refresh<const N: usize> {
    /// The id to find.
    pub target: Id<N>,
    /// The contact to ask.
    pub via: Contact<N>,
}

/// Least time between two refreshes of one bucket (ours: then a bucket that stays empty does not
/// keep the others and the neighbourhood waiting).
const BUCKET_PAUSE: Duration = Duration::from_secs(60);
/// Least time between a refresh of any kind and one of the neighbourhood, the shortest time between
/// two runs.
const NEIGHBOURHOOD_PAUSE: Duration = Duration::from_secs(5);
/// How long after its last growth the neighbourhood may hide more nodes.
const SETTLING: Duration = Duration::from_secs(150);

impl<const N: usize> Table<N> {
    /// Returns the next `find` that is due, if any: first for each bucket that is empty or had no
    /// reply for [`RoutingConfig::expire_time`](super::RoutingConfig::expire_time), then, if there
    /// was none and the table grew lately, for our own neighbourhood.
    ///
    /// To be called until it returns `None` in each maintenance run; what it returned is not
    /// returned again for some time.
    pub fn next_refresh(&mut self, now: Timestamp, rng: &mut Rng) -> Option<Refresh<N>> {
        let refresh = self
            .refresh_bucket(now, rng)
            .or_else(|| self.refresh_neighbourhood(now, rng))?;
        self.refreshed = Some(now);
        Some(refresh)
    }

    /// Returns the good contacts that have been silent longest, and for `silence` at least: to be
    /// asked when another has failed. At most `count`, and only such as are `worth` it. None if no
    /// contact has replied for as long: then it is this node that was cut off.
    pub fn ask_silent(
        &mut self,
        count: usize,
        silence: Duration,
        now: Timestamp,
        worth: impl Fn(&Contact<N>) -> bool,
    ) -> Vec<Contact<N>> {
        let replied = self
            .buckets
            .iter()
            .filter_map(|bucket| bucket.replied)
            .max();
        if has_passed(silence, replied, now) {
            return Vec::new();
        }
        let ages = self.ages;
        let entries = self
            .buckets
            .iter_mut()
            .flat_map(|bucket| &mut bucket.entries);
        let mut silent: Vec<_> = entries
            .filter(|entry| {
                entry.silence(now) >= silence
                    && entry.is_askable(now)
                    && entry.standing(ages, now) == Standing::Good
                    && worth(&entry.contact())
            })
            .collect();
        silent.sort_by_key(|entry| Reverse(entry.silence(now)));
        silent.truncate(count);
        silent.into_iter().map(|entry| entry.ask(now)).collect()
    }

    fn refresh_bucket(&mut self, now: Timestamp, rng: &mut Rng) -> Option<Refresh<N>> {
        let silence = self.ages.silence;
        let index = self.buckets.iter().position(|bucket| {
            has_passed(BUCKET_PAUSE, bucket.refreshed, now)
                && (bucket.entries.is_empty() || has_passed(silence, bucket.replied, now))
        })?;
        let target = self.buckets[index].random_id(rng);
        let via = self.ask_near(index, &target, now, rng)?;
        self.buckets[index].refreshed = Some(now);
        Some(Refresh { target, via })
    }

    fn refresh_neighbourhood(&mut self, now: Timestamp, rng: &mut Rng) -> Option<Refresh<N>> {
        if has_passed(SETTLING, self.grown, now)
            || !has_passed(NEIGHBOURHOOD_PAUSE, self.refreshed, now)
        {
            return None;
        }
        let target = (Id::<N>::BITS - 8..Id::<N>::BITS)
            .fold(self.own, |id, bit| id.with_bit(bit, rng.one_in(2)));
        let via = self.ask_near(self.index_of(&self.own), &target, now, rng)?;
        Some(Refresh { target, via })
    }

    /// A contact of the bucket at `index`, now and then of one beside it, or else the nearest there
    /// is.
    fn ask_near(
        &mut self,
        index: usize,
        target: &Id<N>,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Option<Contact<N>> {
        let chosen = match rng.below(8) {
            0 => index + 1,
            1 => index.wrapping_sub(1),
            _ => index,
        };
        let via = self
            .buckets
            .get_mut(chosen)
            .and_then(|bucket| bucket.ask_any(now, rng));
        via.or_else(|| {
            let nearest = self.nearest(target, 1, |entry| entry.is_askable(now));
            let entry = self.entry(&nearest.first()?.id)?;
            Some(entry.ask(now))
        })
    }
}

/// Reports whether `at` lies at least `span` back; what never happened lies back far enough.
fn has_passed(span: Duration, at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| now.since(at) >= span)
}

#[cfg(test)]
mod tests {
    use crate::Seed;
    use crate::routing::Confidence;
    use crate::routing::RoutingConfig;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    fn rng() -> Rng {
        Seed::from_number(5).public()
    }

    fn all_due(table: &mut Table<20>, now: Timestamp, rng: &mut Rng) -> Vec<Refresh<20>> {
        std::iter::from_fn(|| table.next_refresh(now, rng)).collect()
    }

    fn table_of(count: u16, now: Timestamp) -> Table<20> {
        let mut table = Table::new(Id::of(b"us"), &RoutingConfig::default());
        for port in 1..=count {
            let id = Id::of(&port.to_be_bytes());
            let peer = Contact::new(id, ([10, 0, 0, 1], port).into());
            let _ = table.on_seen(peer, Confidence::Replied, now);
        }
        table
    }

    #[test]
    fn an_empty_table_has_no_contact_to_ask() {
        assert_eq!(table_of(0, at(0)).next_refresh(at(0), &mut rng()), None);
    }

    #[test]
    fn a_growing_table_asks_for_its_neighbourhood_until_it_settles() {
        let (mut table, mut rng) = (table_of(4, at(0)), rng());
        let due = all_due(&mut table, at(1), &mut rng);
        assert_eq!(due.len(), 1);
        assert!(due[0].target.common_prefix(&table.own) >= 152);
        assert_eq!(all_due(&mut table, at(5), &mut rng), []);
        assert_eq!(all_due(&mut table, at(149), &mut rng).len(), 1);
        assert_eq!(all_due(&mut table, at(155), &mut rng), []);
    }

    #[test]
    fn each_silent_bucket_is_refreshed_once_a_minute_until_a_contact_replies() {
        let (mut table, mut rng) = (table_of(200, at(0)), rng());
        let buckets = table.buckets.len();
        assert!(buckets > 3);
        assert_eq!(all_due(&mut table, at(599), &mut rng), []);
        let due = all_due(&mut table, at(600), &mut rng);
        assert_eq!(due.len(), buckets);
        for (index, refresh) in due.iter().enumerate() {
            assert_eq!(table.index_of(&refresh.target), index);
        }
        assert_eq!(all_due(&mut table, at(659), &mut rng), []);
        let _ = table.on_seen(due[0].via, Confidence::Replied, at(659));
        assert_eq!(all_due(&mut table, at(660), &mut rng).len(), buckets - 1);
    }

    #[test]
    fn an_empty_bucket_is_refreshed_through_its_neighbours() {
        let (mut table, mut rng) = (table_of(200, at(0)), rng());
        let emptied = table.buckets.len() - 1;
        table.buckets[emptied].entries.clear();
        let due = all_due(&mut table, at(1), &mut rng);
        assert_eq!(due.len(), 1);
        assert_eq!(table.index_of(&due[0].target), emptied);
    }

    #[test]
    fn of_the_silent_those_are_asked_first_that_were_so_longest() {
        let mut table = table_of(6, at(0));
        let contacts: Vec<_> = table.contacts(at(0));
        for (second, contact) in (1..).zip(&contacts[1..]) {
            let _ = table.on_seen(*contact, Confidence::Sent, at(second));
        }
        let _ = table.on_seen(contacts[5], Confidence::Replied, at(60));
        let mut ask = |now| table.ask_silent(2, SECOND, now, |contact| *contact != contacts[1]);
        assert_eq!(ask(at(60)), [contacts[0], contacts[2]]);
        assert_eq!(ask(at(60)), [contacts[3], contacts[4]]);
        assert_eq!(ask(at(60)), [], "they have all been asked");
        assert_eq!(ask(at(70)), [], "none replies: it is we who were cut off");
    }

    #[test]
    fn a_contact_is_not_asked_again_while_a_request_is_in_flight() {
        let (mut table, mut rng) = (table_of(1, at(0)), rng());
        assert_eq!(all_due(&mut table, at(600), &mut rng).len(), 1);
        table.reset();
        table.buckets[0].entries[0].ask(at(600));
        assert_eq!(all_due(&mut table, at(609), &mut rng), []);
        assert_eq!(all_due(&mut table, at(610), &mut rng).len(), 1);
    }
}
