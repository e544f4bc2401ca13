//! The routing table: [`Table`] knows the nodes of one address family, many near our own id and few
//! far away (`docs/spec/node.md#3`).
//!
//! Invariants:
//! - the buckets are ordered, disjoint and cover all ids; one of them covers our own;
//! - a bucket holds at most [`RoutingConfig::bucket_size`] contacts, all of its range, no id twice,
//!   never our own;
//! - a good contact loses its place to no other;
//! - a contact that has replied keeps its address until a request to it fails, and one that has
//!   failed is not good before it replies again;
//! - of the contacts that are not expired, each address and each network has a share at most.
//!
//! The table sends nothing and knows no message: it is told which contacts were seen, and tells
//! which to ask. Peers that invent ids near ours can make it hold a bucket for each bit of an id:
//! 160 buckets of 8 take 120 kB.

mod bucket;
mod config;
mod diversity;
mod entry;
mod loss_rate;
mod refresh;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::{Contact, Id, Timestamp};

use bucket::Bucket;
use diversity::{Crowd, Diversity};
use entry::{Ages, Entry};
use loss_rate::LossRate;

pub use config::RoutingConfig;
pub use entry::{Confidence, Standing};
pub use refresh::Refresh;

/// The known nodes of one address family.
///
/// ```
/// use bulla_kad::routing::{Confidence, RoutingConfig, Table};
/// use bulla_kad::{Contact, Id, Timestamp};
///
/// let mut table = Table::new(Id::of(b"us"), &RoutingConfig::default());
/// let peer = Contact::new(Id::of(b"them"), "192.0.2.1:4222".parse()?);
/// let now = Timestamp::ZERO;
/// let _ = table.on_seen(peer, Confidence::Replied, now);
/// assert_eq!(table.closest(&Id::of(b"a key"), 8, now), [peer]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Table<const N: usize> {
    own: Id<N>,
    bucket_size: usize,
    bootstrap_mode: bool,
    ages: Ages,
    diversity: Diversity,
    /// When a crowd was last looked through for contacts that may be gone.
    searched: Option<Timestamp>,
    /// Contacts refused as their address or network had its share.
    crowded_out: u64,
    /// Ordered by first id.
    buckets: Vec<Bucket<N>>,
    /// When a contact was last added to our own bucket.
    grown: Option<Timestamp>,
    /// When anything was last refreshed.
    refreshed: Option<Timestamp>,
    loss_rate: LossRate,
    fresh_time: Duration,
}

/// What came of seeing a contact.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[must_use]
pub struct SeenUpdate<const N: usize> {
    /// Whether the table grew.
    pub growth: Growth,
    /// A contact to ping: one that another may replace.
    pub ping: Option<Contact<N>>,
    /// Another address under the id of the contact to ping, to ping if that is silent.
    pub successor: Option<SocketAddr>,
}

/// Whether seeing a contact made the table grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Growth {
    /// It was known.
    #[default]
    None,
    /// It found no place.
    Refused,
    /// It was added.
    Added,
    /// It was added to our own bucket, the first in 5 minutes: maintenance should run within a
    /// second.
    AfterPause,
}

/// How many contacts a table holds, by what they are worth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Contacts of [`Standing::Good`].
    pub good: usize,
    /// Contacts of [`Standing::Dubious`]; the expired are not counted at all.
    pub dubious: usize,
    /// Contacts that wait for a place in a full bucket, not in `good` or `dubious`.
    pub cached: usize,
    /// Those of `good` last heard from by a message that they sent by themselves and not a
    /// reply. As long as there are any, others can reach us.
    pub incoming: usize,
}

/// A contact in [`Table::entries`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed<const N: usize> {
    /// First id of the bucket.
    pub bucket: Id<N>,
    /// How many leading bits the ids of the bucket share.
    pub depth: usize,
    /// The contact.
    pub contact: Contact<N>,
    /// What it is worth.
    pub standing: Standing,
}

/// In bootstrap mode all buckets up to this depth may split.
const BOOTSTRAP_DEPTH: usize = 6;
/// Room is made at once for so many contacts of a list.
const MAX_PREPARED: usize = 64;
/// The least time between two searches for contacts of a crowd that may be gone.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// A contact after this long without growth means that we have just been connected.
const DORMANCY: Duration = Duration::from_secs(5 * 60);

impl<const N: usize> Table<N> {
    /// Makes an empty table around our own id.
    pub fn new(own: Id<N>, config: &RoutingConfig) -> Self {
        Self {
            own,
            bucket_size: config.bucket_size,
            bootstrap_mode: config.bootstrap_mode,
            ages: Ages {
                reply: config.good_time,
                silence: config.expire_time,
            },
            diversity: Diversity::new(config),
            searched: None,
            crowded_out: 0,
            buckets: vec![Bucket::everything()],
            grown: None,
            refreshed: None,
            loss_rate: LossRate::default(),
            fresh_time: config.fresh_time,
        }
    }

    /// Notes that a contact was seen. Not to be told of clients, of martian addresses or of the
    /// other family.
    pub fn on_seen(
        &mut self,
        contact: Contact<N>,
        confidence: Confidence,
        now: Timestamp,
    ) -> SeenUpdate<N> {
        if contact.id == self.own || contact.id.is_zero() {
            return SeenUpdate::default();
        }
        if confidence == Confidence::Replied {
            self.loss_rate.on_reply();
        }
        let bucket = self.bucket(&contact.id);
        if confidence == Confidence::Replied {
            bucket.replied = Some(now);
        }
        match bucket.find(&contact.id) {
            Some(entry) if entry.is_at(contact.addr) && !entry.starts_anew(confidence) => {
                entry.on_seen(confidence, now);
                SeenUpdate::default()
            }
            Some(entry) if !entry.is_at(contact.addr) && !entry.gives_way(confidence) => {
                let ping = entry.on_claimed(confidence, now);
                SeenUpdate {
                    ping,
                    successor: ping.map(|_| contact.addr),
                    ..SeenUpdate::default()
                }
            }
            Some(_) => {
                self.remove(&contact.id);
                self.insert(contact, confidence, now)
            }
            None => self.insert(contact, confidence, now),
        }
    }

    /// Takes in a contact that was good when the table was last saved, and reports whether it is
    /// new. Our own bucket splits for it: other nodes have no say in what we saved. Any contact
    /// that replies may take its place until it has replied itself.
    pub fn restore(&mut self, contact: Contact<N>, now: Timestamp) -> bool {
        if contact.id == self.own || contact.id.is_zero() || self.entry(&contact.id).is_some() {
            return false;
        }
        loop {
            let index = self.index_of(&contact.id);
            let size = self.bucket_size;
            let bucket = &mut self.buckets[index];
            let crowd = self.diversity.crowd(contact.addr.ip(), bucket);
            if crowd.is_some_and(|crowd| !crowd.is_of_bucket) {
                return false;
            }
            let diversity = &mut self.diversity;
            let placed = bucket.place(contact, Confidence::Named, now, size, diversity);
            if placed || !bucket.covers(&self.own) {
                return placed;
            }
            let upper = bucket.split();
            self.buckets.insert(index + 1, upper);
        }
    }

    /// Returns contacts to ask after a restart: of each bucket in turn one that has not replied yet
    /// and is not being asked, at most `count` in all. So something is soon known of every part of
    /// the id space.
    pub fn ask_unverified(&mut self, count: usize, now: Timestamp) -> Vec<Contact<N>> {
        let mut asked = Vec::new();
        for place in 0..self.bucket_size {
            for bucket in &mut self.buckets {
                if asked.len() >= count {
                    return asked;
                }
                let entry = bucket.entries.get_mut(place);
                let entry = entry.filter(|entry| entry.is_unverified() && entry.is_askable(now));
                asked.extend(entry.map(|entry| entry.ask(now)));
            }
        }
        asked
    }

    /// Returns at most `count` expired contacts to ask once more, those not asked for longest
    /// first, of these the oldest of their buckets: it may be we who were cut off.
    pub fn ask_expired(&mut self, count: usize, now: Timestamp) -> Vec<Contact<N>> {
        let buckets = self.buckets.iter_mut();
        let places = buckets.flat_map(|bucket| bucket.entries.iter_mut().enumerate());
        let mut expired: Vec<_> = places.filter(|(_, it)| it.is_expired()).collect();
        expired.sort_by_key(|(place, entry)| (entry.asked_at(), *place));
        let asked = expired.into_iter().take(count);
        asked.map(|(_, entry)| entry.ask(now)).collect()
    }

    /// Notes that a request to a contact timed out: it is not named to others before something
    /// comes from it.
    pub fn on_timeout(&mut self, contact: &Contact<N>) {
        if let Some(entry) = self.entry(&contact.id) {
            entry.on_timeout(contact.addr);
        }
    }

    /// Notes that no attempt of a request, the first at `asked_at`, got a reply. Reports whether
    /// the contact has failed: one that has answered others since may have been asked too much.
    ///
    /// Differs: OpenDHT takes it for expired for a while.
    pub fn on_no_reply(&mut self, contact: &Contact<N>, asked_at: Timestamp) -> bool {
        let entry = self.entry(&contact.id);
        let is_there = entry.is_some_and(|it| it.has_replied(contact.addr, asked_at));
        if !is_there {
            self.on_failure(contact);
        }
        !is_there
    }

    /// Notes that this contact is not there, or of no use.
    pub fn on_failure(&mut self, contact: &Contact<N>) {
        self.loss_rate.on_no_reply();
        let bucket = self.bucket(&contact.id);
        bucket.candidate.take_if(|waiting| waiting == contact);
        let entry = bucket.find(&contact.id);
        if entry.is_some_and(|it| it.on_failed(contact.addr)) {
            self.diversity.remove(contact.addr.ip());
        }
    }

    /// Returns the `count` good contacts nearest to `target`, nearest first.
    pub fn closest(&self, target: &Id<N>, count: usize, now: Timestamp) -> Vec<Contact<N>> {
        self.nearest(target, count, |entry| {
            entry.standing(self.ages, now) == Standing::Good
        })
    }

    /// Returns the `count` contacts nearest to `target` that are worth naming to others, nearest
    /// first: the good ones that have let no request time out, but where contacts come and go
    /// quickly those seen lately, if there are as many.
    ///
    /// Differs: OpenDHT names all good ones. Where nodes stay for minutes most of those have left,
    /// and as they come before the living, these are not found.
    pub fn to_share(&self, target: &Id<N>, count: usize, now: Timestamp) -> Vec<Contact<N>> {
        let is_sound = |entry: &Entry<N>| {
            !entry.is_unresponsive() && entry.standing(self.ages, now) == Standing::Good
        };
        self.fresh(target, count, now)
            .unwrap_or_else(|| self.nearest(target, count, is_sound))
    }

    /// Returns the `count` contacts nearest to `target` that were seen lately, if there are as many
    /// and contacts come and go quickly.
    pub fn fresh(&self, target: &Id<N>, count: usize, now: Timestamp) -> Option<Vec<Contact<N>>> {
        if !self.loss_rate.is_high() {
            return None;
        }
        let ages = Ages {
            silence: self.fresh_time.min(self.ages.silence),
            ..self.ages
        };
        let is_fresh = |entry: &Entry<N>| entry.standing(ages, now) == Standing::Good;
        let found = self.nearest(target, count, is_fresh);
        (found.len() == count).then_some(found)
    }

    /// Reports whether `count` good contacts are nearer to `target` than we are, or all that there
    /// are, if those are at least `least`.
    pub fn is_surrounded(
        &self,
        target: &Id<N>,
        least: usize,
        count: usize,
        now: Timestamp,
    ) -> bool {
        let ours = self.own.distance(target);
        let (mut nearer, mut is_one_farther) = (0, false);
        for bucket in &self.buckets {
            let good = |entry: &&Entry<N>| entry.standing(self.ages, now) == Standing::Good;
            let mut good = bucket.entries.iter().filter(good);
            if bucket.covers(&self.own) {
                for entry in good {
                    let is_nearer = entry.contact().id.distance(target) < ours;
                    nearer += usize::from(is_nearer);
                    is_one_farther |= !is_nearer;
                }
                continue;
            }
            // Contacts that part from us at a bit where the target does are nearer to it.
            let parting = self.own.common_prefix(&bucket.first);
            if self.own.bit(parting) == target.bit(parting) {
                is_one_farther = is_one_farther || good.next().is_some();
            } else {
                nearer += good.count();
            }
            if nearer >= count {
                return true;
            }
        }
        nearer >= count || (nearer >= least && !is_one_farther)
    }

    /// Returns the `count` contacts nearest to `target` that are not expired, nearest first: to
    /// start a lookup from.
    pub fn candidates(&self, target: &Id<N>, count: usize) -> Vec<Contact<N>> {
        self.nearest(target, count, |entry| !entry.is_expired())
    }

    /// Returns all good contacts, those of our own bucket first, as they are exported.
    pub fn contacts(&self, now: Timestamp) -> Vec<Contact<N>> {
        self.nearest(&self.own, usize::MAX, |entry| {
            entry.standing(self.ages, now) == Standing::Good
        })
    }

    /// Iterates over all contacts with their standing, in the order of the buckets' ranges.
    pub fn entries(&self, now: Timestamp) -> impl Iterator<Item = Listed<N>> {
        self.buckets.iter().flat_map(move |bucket| {
            bucket.entries.iter().map(move |entry| Listed {
                bucket: bucket.first,
                depth: bucket.depth,
                contact: entry.contact(),
                standing: entry.standing(self.ages, now),
            })
        })
    }

    /// Counts the contacts, by what they are worth.
    pub fn counts(&self, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for bucket in &self.buckets {
            counts.cached += usize::from(bucket.candidate.is_some());
            for entry in &bucket.entries {
                match entry.standing(self.ages, now) {
                    Standing::Good => {
                        counts.good += 1;
                        counts.incoming += usize::from(entry.is_incoming());
                    }
                    Standing::Dubious => counts.dubious += 1,
                    Standing::Expired => {}
                }
            }
        }
        counts
    }

    /// Returns how many times a contact was refused as its address or network had its share.
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Returns how many leading bits the ids in our own bucket share with our own.
    pub fn depth(&self) -> usize {
        self.buckets[self.index_of(&self.own)].depth
    }

    /// Returns about how many nodes the network has, this one included: exact while all fit into
    /// one bucket, from then on judged by how densely the nearest good ones lie, right within a
    /// factor of two most of the time.
    pub fn size_estimate(&self, now: Timestamp) -> u64 {
        let nearest = self.closest(&self.own, self.bucket_size, now);
        let others = match nearest.last() {
            Some(last) if self.buckets.len() > 1 => {
                // Of n nodes at random, the m-th nearest lies on average at a distance of m/n of
                // the whole space.
                let fraction = self.own.distance(&last.id).leading_bits().max(1);
                ((nearest.len() as u128 - 1) << 64) / u128::from(fraction)
            }
            _ => nearest.len() as u128,
        };
        u64::try_from(others + 1).unwrap_or(u64::MAX)
    }

    /// Reports whether the bucket of `target` has places left, so that more contacts of its range
    /// would be welcome.
    pub fn is_sparse(&self, target: &Id<N>) -> bool {
        self.buckets[self.index_of(target)].entries.len() < self.bucket_size
    }

    /// Reports whether the bucket of `target` is full of good contacts.
    pub fn is_known(&self, target: &Id<N>, now: Timestamp) -> bool {
        let entries = &self.buckets[self.index_of(target)].entries;
        let good = |entry: &&Entry<N>| entry.standing(self.ages, now) == Standing::Good;
        entries.iter().filter(good).count() >= self.bucket_size
    }

    /// Drops the expired contacts, every 2 to 6 minutes. Returns contacts to ping, which may have
    /// the places.
    ///
    /// Differs: if no other is left the expired are kept, for then this node was cut off.
    pub fn purge(&mut self) -> Vec<Contact<N>> {
        if self.iter().all(Entry::is_expired) {
            return Vec::new();
        }
        self.buckets.iter_mut().filter_map(Bucket::purge).collect()
    }

    /// Notes that the connectivity changed: no contact counts as good or as expired any more, and
    /// all buckets are due for a refresh.
    pub fn reset(&mut self) {
        self.grown = None;
        self.refreshed = None;
        for bucket in &mut self.buckets {
            bucket.replied = None;
            bucket.refreshed = None;
            let mut place = 0;
            while let Some(entry) = bucket.entries.get(place) {
                let ip = entry.ip();
                let is_expired = entry.is_expired();
                if is_expired && self.diversity.crowd(ip, bucket).is_some() {
                    bucket.remove(place, &mut self.diversity);
                    continue;
                }
                if is_expired {
                    self.diversity.add(ip);
                }
                bucket.entries[place].reset();
                place += 1;
            }
        }
    }

    fn insert(
        &mut self,
        contact: Contact<N>,
        confidence: Confidence,
        now: Timestamp,
    ) -> SeenUpdate<N> {
        let mut ping = None;
        loop {
            let index = self.index_of(&contact.id);
            let size = self.bucket_size;
            let bucket = &mut self.buckets[index];
            if let Some(crowd) = self.diversity.crowd(contact.addr.ip(), bucket) {
                if confidence == Confidence::Replied && self.displace_one_of(crowd, index) {
                    continue;
                }
                self.crowded_out += 1;
                return SeenUpdate {
                    growth: Growth::Refused,
                    ping: ping.or_else(|| self.ask_one_of(crowd, index, confidence, now)),
                    successor: None,
                };
            }
            let diversity = &mut self.diversity;
            if bucket.place(contact, confidence, now, size, diversity) {
                let growth = self.note_growth(index, now);
                return SeenUpdate {
                    growth,
                    ping,
                    successor: None,
                };
            }
            ping = ping.or_else(|| bucket.ask_doubtful(self.ages, now));
            if !self.may_split(index, now) {
                self.buckets[index].remember(contact, confidence);
                return SeenUpdate {
                    growth: Growth::Refused,
                    ping,
                    successor: None,
                };
            }
            let bucket = &mut self.buckets[index];
            ping = ping.or_else(|| bucket.candidate.take());
            let upper = bucket.split();
            self.buckets.insert(index + 1, upper);
        }
    }

    fn remove(&mut self, id: &Id<N>) {
        let index = self.index_of(id);
        let bucket = &mut self.buckets[index];
        if let Some(place) = bucket.entries.iter().position(|entry| entry.id() == id) {
            bucket.remove(place, &mut self.diversity);
        }
    }

    /// Drops a contact of a crowd that has never replied, for one that has; the crowd is that of
    /// the bucket at `index` if not of the table. Returns `false` if there is none.
    fn displace_one_of(&mut self, crowd: Crowd, index: usize) -> bool {
        for bucket in crowded(&mut self.buckets, crowd, index) {
            let yields = |entry: &Entry<N>| {
                entry.is_unverified() && !entry.is_expired() && crowd.prefix.contains(entry.ip())
            };
            if let Some(place) = bucket.entries.iter().position(yields) {
                bucket.remove(place, &mut self.diversity);
                return true;
            }
        }
        false
    }

    /// Returns a contact of a crowd that may be gone, to be asked, as another has shown a sign of
    /// life. Looks for one once a second at most, for that takes time.
    fn ask_one_of(
        &mut self,
        crowd: Crowd,
        index: usize,
        confidence: Confidence,
        now: Timestamp,
    ) -> Option<Contact<N>> {
        let is_due = self
            .searched
            .is_none_or(|at| now.since(at) >= SEARCH_INTERVAL);
        if confidence == Confidence::Named || !is_due {
            return None;
        }
        self.searched = Some(now);
        let ages = self.ages;
        let buckets = crowded(&mut self.buckets, crowd, index);
        let mut entries = buckets.iter_mut().flat_map(|bucket| &mut bucket.entries);
        let doubtful = entries.find(|entry| {
            crowd.prefix.contains(entry.ip())
                && entry.is_askable(now)
                && entry.standing(ages, now) != Standing::Good
        });
        doubtful.map(|entry| entry.ask(now))
    }

    fn may_split(&self, index: usize, now: Timestamp) -> bool {
        let bucket = &self.buckets[index];
        if bucket.covers(&self.own) {
            self.buckets.len() == 1 || bucket.has_only_good(self.ages, now)
        } else {
            self.bootstrap_mode && bucket.depth < BOOTSTRAP_DEPTH
        }
    }

    fn note_growth(&mut self, index: usize, now: Timestamp) -> Growth {
        if !self.buckets[index].covers(&self.own) {
            return Growth::Added;
        }
        let before = self.grown.replace(now);
        if before.is_none_or(|at| now.since(at) > DORMANCY) {
            Growth::AfterPause
        } else {
            Growth::Added
        }
    }

    fn index_of(&self, id: &Id<N>) -> usize {
        self.buckets.partition_point(|bucket| bucket.first <= *id) - 1
    }

    fn bucket(&mut self, id: &Id<N>) -> &mut Bucket<N> {
        let index = self.index_of(id);
        &mut self.buckets[index]
    }

    fn entry(&mut self, id: &Id<N>) -> Option<&mut Entry<N>> {
        self.bucket(id).find(id)
    }

    fn iter(&self) -> impl Iterator<Item = &Entry<N>> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    fn nearest(
        &self,
        target: &Id<N>,
        count: usize,
        keep: impl Fn(&Entry<N>) -> bool,
    ) -> Vec<Contact<N>> {
        let mut found = Vec::with_capacity(count.min(MAX_PREPARED) + self.bucket_size);
        let _ = walk(&self.buckets, 0, target, &mut |bucket| {
            let kept = bucket.entries.iter().filter(|entry| keep(entry));
            let before = found.len();
            found.extend(kept.map(|entry| (entry.id().distance(target), entry)));
            if let Some(news) = found.get_mut(before..) {
                news.sort_unstable_by_key(|(distance, _)| *distance);
            }
            if found.len() >= count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let nearest = found.iter().take(count);
        nearest.map(|(_, entry)| entry.contact()).collect()
    }
}

/// Returns the buckets over which a crowd is spread: that at `index`, or all.
fn crowded<const N: usize>(
    buckets: &mut [Bucket<N>],
    crowd: Crowd,
    index: usize,
) -> &mut [Bucket<N>] {
    if crowd.is_of_bucket {
        &mut buckets[index..=index]
    } else {
        buckets
    }
}

/// Visits the buckets from the one of `target` outwards: every id of one is nearer than every id of
/// the next.
///
/// The ordered buckets are the leaves of a binary tree; at each branch the half that holds `target`
/// is the nearer. No branch is deeper than an id has bits.
fn walk<'a, const N: usize>(
    leaves: &'a [Bucket<N>],
    depth: usize,
    target: &Id<N>,
    visit: &mut impl FnMut(&'a Bucket<N>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match leaves {
        [] => return ControlFlow::Continue(()),
        [leaf] => return visit(leaf),
        _ => {}
    }
    let (lower, upper) = leaves.split_at(leaves.partition_point(|bucket| !bucket.first.bit(depth)));
    let (near, far) = if target.bit(depth) {
        (upper, lower)
    } else {
        (lower, upper)
    };
    walk(near, depth + 1, target, visit)?;
    walk(far, depth + 1, target, visit)
}

#[cfg(test)]
mod tests;
