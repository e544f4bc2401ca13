//! [`Listeners`]: the remote nodes that are notified of the values under a key
//! (`docs/spec/node.md#5.4`).

use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bulla_kad::Shares;
use bytes::Bytes;
use slab::Slab;
use thiserror::Error;

use super::ListenConfig;
use super::interner::{Interner, Number};
use crate::{Condition, InfoHash, Query, Rng, Source, Timestamp, Value};

/// Which remote nodes listen on which keys. A listener is known by its address, its socket number
/// and the key: a token has validated the address, nothing has validated the id.
///
/// Where there is no room for another one, the oldest of the source that has most gives way, in the
/// network that has most.
///
/// A listener takes some 180 bytes, 260 if it is alone on its key, and 300 more if its source
/// listens on nothing else; its query comes on top ([`Listener::MAX_QUERY_BYTES`]).
pub(crate) struct Listeners {
    lifetime: Duration,
    max: usize,
    max_per_key: usize,
    max_per_source: usize,
    max_per_source_and_key: usize,
    keys: Interner<InfoHash>,
    addresses: Interner<SocketAddr>,
    sources: Interner<Source>,
    remote_listens: Slab<RemoteListen>,
    by_key: BTreeMap<Place, RemoteListenNumber>,
    by_address: BTreeSet<(Number, RemoteListenNumber)>,
    by_renewal: BTreeSet<(Timestamp, RemoteListenNumber)>,
    /// By source, key and last renewal.
    by_source: BTreeSet<(Number, Number, Timestamp, RemoteListenNumber)>,
    /// How many listeners each source has.
    shares: Shares,
    /// The same on each key that has [`CROWD`] listeners.
    crowded: BTreeMap<Number, Shares>,
    /// Listeners that gave way to others so far.
    displaced: u64,
}

/// Listeners on one key of which it is known which sources have most.
const CROWD: usize = 64;

/// A remote node that listens on a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listener {
    /// The address that it is notified at.
    pub(crate) addr: SocketAddr,
    /// The number that its notifications bear.
    pub(crate) socket: u32,
    /// The version of the listen protocol it speaks: 0 takes bare replies, 1 and above `update`
    /// requests.
    pub(crate) version: u8,
    /// Most listeners have none.
    query: Option<Box<Query>>,
}

/// What subscribing did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subscribed {
    /// The listener is new, and must be notified of what is stored already.
    New,
    /// It was known; it lives longer and its query replaces the last one.
    Renewed,
}

/// Why a listener was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum SubscribeError {
    /// The key has [`ListenConfig::max_per_key`] listeners, and no source has more than this one.
    #[error("too many listeners on this key")]
    KeyFull,
    /// The listener's [`Source`] has [`ListenConfig::max_per_source`] of them.
    #[error("too many listeners from this address")]
    SourceFull,
    /// There are as many listeners as there may be at all, and no source has more than this one.
    #[error("too many listeners")]
    Full,
    /// Its query is larger than [`Listener::MAX_QUERY_BYTES`].
    #[error("the query is too large")]
    QueryTooLarge,
}

struct RemoteListen {
    place: Place,
    source: Number,
    version: u8,
    query: Option<Box<Query>>,
    renewed: Timestamp,
}

/// What a listener is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: Number,
    address: Number,
    socket: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RemoteListenNumber(u32);

impl Listeners {
    /// Makes an empty set of at most `max` listeners, which are forgotten after `lifetime`; the
    /// keys of its hash tables come from `rng`.
    pub(crate) fn new(
        config: &ListenConfig,
        max: usize,
        lifetime: Duration,
        rng: &mut Rng,
    ) -> Self {
        Self {
            lifetime,
            max,
            max_per_key: config.max_per_key,
            max_per_source: config.max_per_source,
            max_per_source_and_key: config.max_per_source_and_key,
            keys: Interner::new(rng),
            addresses: Interner::new(rng),
            sources: Interner::new(rng),
            remote_listens: Slab::new(),
            by_key: BTreeMap::new(),
            by_address: BTreeSet::new(),
            by_renewal: BTreeSet::new(),
            by_source: BTreeSet::new(),
            shares: Shares::default(),
            crowded: BTreeMap::new(),
            displaced: 0,
        }
    }

    /// Adds or renews a listener on the values under `key`, until its lifetime has passed.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`], with nothing changed. A known listener is only refused for its query.
    pub(crate) fn subscribe(
        &mut self,
        now: Timestamp,
        key: &InfoHash,
        listener: Listener,
    ) -> Result<Subscribed, SubscribeError> {
        if listener.query_bytes() > Listener::MAX_QUERY_BYTES {
            return Err(SubscribeError::QueryTooLarge);
        }
        let Listener {
            addr,
            socket,
            version,
            query,
        } = listener;
        let (known_key, known_address) = (self.keys.find(key), self.addresses.find(&addr));
        if let (Some(key), Some(address)) = (known_key, known_address)
            && let Some(&number) = self.by_key.get(&Place {
                key,
                address,
                socket,
            })
        {
            self.renew(now, number, version, query);
            return Ok(Subscribed::Renewed);
        }
        let source = Source::of(addr.ip());
        self.make_room(known_key, source)?;
        self.shares.add(source, 1);
        let place = Place {
            key: self.keys.acquire(*key),
            address: self.addresses.acquire(addr),
            socket,
        };
        let source = self.sources.acquire(source);
        let number = RemoteListenNumber(self.remote_listens.insert(RemoteListen {
            place,
            source,
            version,
            query,
            renewed: now,
        }) as u32);
        self.by_key.insert(place, number);
        self.by_address.insert((place.address, number));
        self.by_renewal.insert((now, number));
        self.by_source.insert((source, place.key, now, number));
        self.count_in_crowd(place.key, source);
        Ok(Subscribed::New)
    }

    /// Lets a known listener live longer, with a new query.
    fn renew(
        &mut self,
        now: Timestamp,
        number: RemoteListenNumber,
        version: u8,
        query: Option<Box<Query>>,
    ) {
        let remote_listen = &mut self.remote_listens[number.index()];
        let (source, key) = (remote_listen.source, remote_listen.place.key);
        let before = remote_listen.renewed;
        let renewed = before.max(now);
        remote_listen.version = version;
        remote_listen.query = query;
        remote_listen.renewed = renewed;
        self.by_renewal.remove(&(before, number));
        self.by_renewal.insert((renewed, number));
        self.by_source.remove(&(source, key, before, number));
        self.by_source.insert((source, key, renewed, number));
    }

    /// Finds room for a listener of a source on a key, at the cost of others.
    fn make_room(&mut self, key: Option<Number>, source: Source) -> Result<(), SubscribeError> {
        let number = self.sources.find(&source);
        if let (Some(key), Some(number)) = (key, number) {
            let mut own = self.of_source_on(number, key);
            let oldest = own.next();
            let count = oldest.into_iter().chain(own).count();
            if count >= self.max_per_source_and_key {
                self.displace(oldest.ok_or(SubscribeError::SourceFull)?);
                return Ok(());
            }
        }
        if self.shares.of(source) >= self.max_per_source {
            return Err(SubscribeError::SourceFull);
        }
        if let Some(key) = key
            && self.keys.uses(key) >= self.max_per_key
        {
            let most = match self.crowded.get(&key) {
                Some(shares) => shares.heaviest_with(source, 1),
                None => self.crowd_on(key).heaviest_with(source, 1),
            };
            let most = self.sources.find(&most);
            let oldest = most.and_then(|most| self.of_source_on(most, key).next());
            self.displace(oldest.ok_or(SubscribeError::KeyFull)?);
        }
        if self.remote_listens.len() >= self.max {
            let most = self.shares.heaviest_with(source, 1);
            let most = self.sources.find(&most).ok_or(SubscribeError::Full)?;
            let range = (most, Number::MIN, Timestamp::ZERO, RemoteListenNumber::MIN)..;
            let first = self.by_source.range(range).next();
            let first = first.filter(|(source, ..)| *source == most);
            self.displace(first.ok_or(SubscribeError::Full)?.3);
        }
        Ok(())
    }

    /// Returns the listeners of a source on a key, those first that renewed least lately.
    fn of_source_on(
        &self,
        source: Number,
        key: Number,
    ) -> impl Iterator<Item = RemoteListenNumber> + use<'_> {
        let from = (source, key, Timestamp::ZERO, RemoteListenNumber::MIN);
        let to = (source, key, Timestamp::MAX, RemoteListenNumber::MAX);
        self.by_source.range(from..=to).map(|(.., number)| *number)
    }

    /// Counts a new listener on a key that has many.
    fn count_in_crowd(&mut self, key: Number, source: Number) {
        if let Some(shares) = self.crowded.get_mut(&key) {
            shares.add(self.sources.item(source), 1);
        } else if self.keys.uses(key) >= CROWD {
            self.crowded.insert(key, self.crowd_on(key));
        }
    }

    /// Counts the listeners of each source on a key that has not many yet.
    fn crowd_on(&self, key: Number) -> Shares {
        let mut shares = Shares::default();
        for (_, number) in self.by_key.range(Place::range(key)) {
            let source = self.remote_listens[number.index()].source;
            shares.add(self.sources.item(source), 1);
        }
        shares
    }

    fn displace(&mut self, number: RemoteListenNumber) {
        self.displaced += 1;
        self.forget(number);
    }

    /// Returns how many listeners gave way to others so far.
    pub(crate) fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Returns the listeners on `key` with a query that `value` meets.
    pub(crate) fn matching(&self, key: &InfoHash, value: &Value) -> impl Iterator<Item = Listener> {
        self.remote_listens(key)
            .filter(|remote_listen| {
                remote_listen
                    .query
                    .as_ref()
                    .is_none_or(|query| query.matches(value))
            })
            .map(|remote_listen| self.listener(remote_listen))
    }

    /// Returns the listener of this address and number on `key`.
    pub(crate) fn find(&self, key: &InfoHash, addr: SocketAddr, socket: u32) -> Option<Listener> {
        let place = Place {
            key: self.keys.find(key)?,
            address: self.addresses.find(&addr)?,
            socket,
        };
        let number = self.by_key.get(&place)?;
        Some(self.listener(&self.remote_listens[number.index()]))
    }

    /// Forgets the listener of this address and number on `key`. Reports whether there was one.
    pub(crate) fn drop_one(&mut self, key: &InfoHash, addr: SocketAddr, socket: u32) -> bool {
        let (Some(key), Some(address)) = (self.keys.find(key), self.addresses.find(&addr)) else {
            return false;
        };
        let place = Place {
            key,
            address,
            socket,
        };
        let number = self.by_key.get(&place).copied();
        number.map(|number| self.displace(number)).is_some()
    }

    /// Returns all listeners on `key`.
    pub(crate) fn on(&self, key: &InfoHash) -> impl Iterator<Item = Listener> + use<'_> {
        self.remote_listens(key)
            .map(|remote_listen| self.listener(remote_listen))
    }

    /// Reports whether there are listeners on `key`.
    pub(crate) fn listen_on(&self, key: &InfoHash) -> bool {
        self.keys.find(key).is_some()
    }

    /// Returns how many listeners there are, on all keys.
    pub(crate) fn len(&self) -> usize {
        self.remote_listens.len()
    }

    /// Forgets the listeners at `addr`, as the node there is gone.
    pub(crate) fn remove(&mut self, addr: SocketAddr) {
        let Some(address) = self.addresses.find(&addr) else {
            return;
        };
        let range = (address, RemoteListenNumber::MIN)..=(address, RemoteListenNumber::MAX);
        while let Some(&(_, number)) = self.by_address.range(range.clone()).next() {
            self.forget(number);
        }
    }

    /// Forgets the listeners that have not renewed within their lifetime.
    pub(crate) fn drop_expired(&mut self, now: Timestamp) {
        while let Some(&(renewed, number)) = self.by_renewal.first()
            && renewed + self.lifetime <= now
        {
            self.forget(number);
        }
    }

    /// Returns when [`Listeners::drop_expired`] has something to do next; `None` without listeners.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let &(renewed, _) = self.by_renewal.first()?;
        Some(renewed + self.lifetime)
    }

    fn remote_listens(&self, key: &InfoHash) -> impl Iterator<Item = &RemoteListen> + use<'_> {
        let key = self.keys.find(key).into_iter();
        key.flat_map(|key| self.by_key.range(Place::range(key)))
            .map(|(_, number)| &self.remote_listens[number.index()])
    }

    fn listener(&self, remote_listen: &RemoteListen) -> Listener {
        Listener {
            addr: self.addresses.item(remote_listen.place.address),
            socket: remote_listen.place.socket,
            version: remote_listen.version,
            query: remote_listen.query.clone(),
        }
    }

    fn forget(&mut self, number: RemoteListenNumber) {
        let RemoteListen {
            place,
            source,
            renewed,
            ..
        } = self.remote_listens.remove(number.index());
        self.by_key.remove(&place);
        self.by_address.remove(&(place.address, number));
        self.by_renewal.remove(&(renewed, number));
        self.by_source.remove(&(source, place.key, renewed, number));
        let ip = self.sources.item(source);
        self.shares.remove(ip, 1);
        if self.keys.uses(place.key) <= CROWD / 2 {
            self.crowded.remove(&place.key);
        } else if let Some(shares) = self.crowded.get_mut(&place.key) {
            shares.remove(ip, 1);
        }
        self.keys.release(place.key);
        self.addresses.release(place.address);
        self.sources.release(source);
    }
}

impl Place {
    /// Returns all places on a key.
    fn range(key: Number) -> RangeInclusive<Self> {
        let place = |address, socket| Self {
            key,
            address,
            socket,
        };
        place(Number::MIN, 0)..=place(Number::MAX, u32::MAX)
    }
}

impl Listener {
    /// The most memory that a query may take, in bytes: many times what a sensible one needs.
    pub(crate) const MAX_QUERY_BYTES: usize = 1_024;

    /// Makes a listener at `addr` that is notified, under the number `socket`, of the values
    /// that meet `query`.
    pub(crate) fn new(addr: SocketAddr, socket: u32, version: u8, query: Query) -> Self {
        Self {
            addr,
            socket,
            version,
            query: (!query.is_empty()).then(|| Box::new(detached(query))),
        }
    }

    /// Returns what it is notified of; `None` for all values, whole.
    pub(crate) fn query(&self) -> Option<&Query> {
        self.query.as_deref()
    }

    fn query_bytes(&self) -> usize {
        let conditions = self.query().map_or(&[][..], |query| &query.conditions);
        conditions
            .iter()
            .map(|condition| match condition {
                Condition::UserType(text) => size_of::<Condition>() + text.len(),
                Condition::Id(_) | Condition::ValueType(_) | Condition::Owner(_) => {
                    size_of::<Condition>()
                }
            })
            .sum()
    }
}

impl RemoteListenNumber {
    const MIN: Self = Self(0);
    const MAX: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Returns the same query in memory of its own: its texts may be part of a larger datagram.
fn detached(mut query: Query) -> Query {
    for condition in &mut query.conditions {
        if let Condition::UserType(text) = condition {
            *text = Bytes::copy_from_slice(text);
        }
    }
    query.conditions.shrink_to_fit();
    query
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::value::sample::sample;
    use crate::{Seed, ValueId, ValueType};

    const LIFETIME: Duration = Duration::from_secs(600);

    fn listeners() -> Listeners {
        let config = ListenConfig {
            max_per_key: 3,
            max_per_source: 4,
            max_per_source_and_key: 2,
            ..ListenConfig::default()
        };
        Listeners::new(&config, 8, LIFETIME, &mut Seed::from_number(1).hashing())
    }

    fn key(number: u8) -> InfoHash {
        InfoHash::of(&[number])
    }

    fn listener(host: u8, socket: u32) -> Listener {
        asking(host, socket, Query::default())
    }

    fn asking(host: u8, socket: u32, query: Query) -> Listener {
        let addr = ([192, 0, 2, host], 4222).into();
        Listener::new(addr, socket, 1, query)
    }

    fn wanting(condition: Condition) -> Query {
        Query {
            conditions: vec![condition],
            ..Query::default()
        }
    }

    fn sockets(listeners: impl Iterator<Item = Listener>) -> Vec<u32> {
        listeners.map(|listener| listener.socket).collect()
    }

    #[test]
    fn a_renewal_replaces_the_query_and_only_matching_values_are_told() {
        let mut listeners = listeners();
        let wants_two = wanting(Condition::Id(ValueId(2)));
        let now = Timestamp::ZERO;
        let mut subscribe = |listener| listeners.subscribe(now, &key(1), listener);
        assert_eq!(subscribe(listener(1, 10)), Ok(Subscribed::New));
        assert_eq!(subscribe(asking(1, 11, wants_two)), Ok(Subscribed::New));
        let wants_type = wanting(Condition::ValueType(ValueType(5)));
        assert_eq!(
            subscribe(asking(1, 10, wants_type)),
            Ok(Subscribed::Renewed)
        );

        let one = sample(1).value_type(ValueType(5)).build();
        let two = sample(2).build();
        assert_eq!(sockets(listeners.matching(&key(1), &one)), [10]);
        assert_eq!(sockets(listeners.matching(&key(1), &two)), [11]);
        assert_eq!(sockets(listeners.on(&key(1))), [10, 11]);
        assert!(sockets(listeners.on(&key(2))).is_empty());
    }

    #[test]
    fn the_oldest_of_a_source_that_has_enough_on_a_key_gives_way() {
        let mut listeners = listeners();
        let at = |second| Timestamp::ZERO + Duration::from_secs(second);
        let mut subscribe = |second, socket| {
            let subscribed = listeners.subscribe(at(second), &key(1), listener(1, socket));
            (subscribed, sockets(listeners.on(&key(1))))
        };
        assert_eq!(subscribe(0, 10), (Ok(Subscribed::New), vec![10]));
        assert_eq!(subscribe(1, 11), (Ok(Subscribed::New), vec![10, 11]));
        assert_eq!(subscribe(2, 10), (Ok(Subscribed::Renewed), vec![10, 11]));
        assert_eq!(subscribe(3, 12), (Ok(Subscribed::New), vec![10, 12]));
        assert_eq!(listeners.displaced(), 1);
    }

    #[test]
    fn where_there_is_no_room_the_source_that_has_most_gives_way() {
        let mut listeners = listeners();
        let now = Timestamp::ZERO;
        let mut subscribe =
            |number, host, socket| listeners.subscribe(now, &key(number), listener(host, socket));
        assert_eq!(subscribe(1, 1, 0), Ok(Subscribed::New));
        assert_eq!(subscribe(1, 2, 0), Ok(Subscribed::New));
        assert_eq!(subscribe(1, 2, 1), Ok(Subscribed::New));
        assert_eq!(subscribe(1, 3, 0), Ok(Subscribed::New), "for one of 2");
        assert_eq!(subscribe(2, 1, 0), Ok(Subscribed::New));
        assert_eq!(subscribe(3, 1, 0), Ok(Subscribed::New));
        assert_eq!(subscribe(4, 1, 0), Ok(Subscribed::New));
        assert_eq!(subscribe(5, 1, 0), Err(SubscribeError::SourceFull));
        assert_eq!(subscribe(4, 1, 0), Ok(Subscribed::Renewed));
        for host in 3..8 {
            assert_eq!(subscribe(10 + host, host, 0), Ok(Subscribed::New));
        }
        assert_eq!(listeners.len(), 8, "all that there may be");
        assert_eq!(listeners.displaced(), 1 + 3);
        let of_first = (1..5).flat_map(|number| listeners.on(&key(number)));
        let of_first = of_first.filter(|it| it.addr.ip().to_string() == "192.0.2.1");
        assert_eq!(of_first.count(), 2, "it had most");
    }

    #[test]
    fn a_crowd_of_one_network_gives_way_to_others() {
        let config = ListenConfig {
            max_per_key: 300,
            ..ListenConfig::default()
        };
        let mut rng = Seed::from_number(1).hashing();
        let mut listeners = Listeners::new(&config, 1_000, LIFETIME, &mut rng);
        let mut subscribe = |ip: [u8; 4], socket| {
            let listener = Listener::new((ip, 4222).into(), socket, 1, Query::default());
            let subscribed = listeners.subscribe(Timestamp::ZERO, &key(1), listener);
            assert_eq!(subscribed, Ok(Subscribed::New));
        };
        for host in 0..100 {
            subscribe([198, 51, 100, host], 0);
        }
        for host in 0..=255 {
            for socket in 0..8 {
                subscribe([203, 0, 113, host], socket);
            }
        }
        let others = listeners
            .on(&key(1))
            .filter(|it| it.addr.ip().to_string().starts_with("198"));
        assert_eq!(others.count(), 100);
        assert_eq!(listeners.len(), 300);
        listeners.drop_expired(Timestamp::ZERO + LIFETIME);
        assert!(listeners.crowded.is_empty() && listeners.shares.is_empty());
    }

    #[test]
    fn a_query_too_large_to_keep_is_refused() {
        let mut listeners = listeners();
        let query = wanting(Condition::UserType(Bytes::from(vec![b'x'; 1_000])));
        let refused = listeners.subscribe(Timestamp::ZERO, &key(1), asking(1, 1, query));
        assert_eq!(refused, Err(SubscribeError::QueryTooLarge));
        let query = Query {
            conditions: vec![Condition::ValueType(ValueType(1)); 64],
            ..Query::default()
        };
        let refused = listeners.subscribe(Timestamp::ZERO, &key(1), asking(1, 1, query));
        assert_eq!(refused, Err(SubscribeError::QueryTooLarge));
        let query = wanting(Condition::UserType(Bytes::from(vec![b'x'; 900])));
        assert!(
            listeners
                .subscribe(Timestamp::ZERO, &key(1), asking(1, 1, query))
                .is_ok()
        );
    }

    #[derive(Clone, Debug)]
    enum ListenerStep {
        Subscribe { key: u8, host: u8, socket: u32 },
        Remove { host: u8 },
        Wait { secs: u64 },
    }

    fn step() -> impl Strategy<Value = ListenerStep> {
        prop_oneof![
            6 => (0..3u8, 0..4u8, 0..4u32)
                .prop_map(|(key, host, socket)| ListenerStep::Subscribe { key, host, socket }),
            1 => (0..4u8).prop_map(|host| ListenerStep::Remove { host }),
            2 => (0..400u64).prop_map(|secs| ListenerStep::Wait { secs }),
        ]
    }

    proptest! {
        #[test]
        fn listeners_are_those_that_renewed_in_time_and_fit(
            steps in proptest::collection::vec(step(), 1..100),
        ) {
            let config = ListenConfig { max_per_source: 4, max_per_source_and_key: 2, ..ListenConfig::default() };
            let mut rng = Seed::from_number(1).hashing();
            let mut listeners = Listeners::new(&config, 99, LIFETIME, &mut rng);
            let mut known: BTreeMap<(u8, u8, u32), Timestamp> = BTreeMap::new();
            let mut now = Timestamp::ZERO;
            for step in steps {
                match step {
                    ListenerStep::Subscribe { key: number, host, socket } => {
                        let at = (number, host, socket);
                        let on_key = || known.iter().filter(|(at, _)| at.0 == number && at.1 == host);
                        let has_enough = on_key().count() >= 2;
                        let is_full = known.keys().filter(|at| at.1 == host).count() >= 4;
                        let result = listeners.subscribe(now, &key(number), listener(host, socket));
                        if known.contains_key(&at) {
                            prop_assert_eq!(result, Ok(Subscribed::Renewed));
                        } else if has_enough {
                            prop_assert_eq!(result, Ok(Subscribed::New));
                            let first = on_key().map(|(_, renewed)| *renewed).min();
                            let hosts = listeners.on(&key(number)).map(|it| (it.addr, it.socket));
                            let here: Vec<_> = hosts
                                .filter(|(addr, _)| *addr == ([192, 0, 2, host], 4222).into())
                                .map(|(_, socket)| socket)
                                .collect();
                            let gone = on_key().map(|(at, _)| *at).find(|at| !here.contains(&at.2));
                            let gone = gone.unwrap();
                            prop_assert_eq!(Some(known[&gone]), first);
                            known.remove(&gone);
                        } else if is_full {
                            prop_assert_eq!(result, Err(SubscribeError::SourceFull));
                        } else {
                            prop_assert_eq!(result, Ok(Subscribed::New));
                        }
                        if result.is_ok() {
                            known.insert(at, now);
                        }
                    }
                    ListenerStep::Remove { host } => {
                        listeners.remove(([192, 0, 2, host], 4222).into());
                        known.retain(|at, _| at.1 != host);
                    }
                    ListenerStep::Wait { secs } => {
                        now = now + Duration::from_secs(secs);
                        listeners.drop_expired(now);
                        known.retain(|_, renewed| *renewed + LIFETIME > now);
                    }
                }
                prop_assert_eq!(listeners.len(), known.len());
                let first = known.values().min().map(|renewed| *renewed + LIFETIME);
                prop_assert_eq!(listeners.next_expiry(), first);
                for number in 0..3 {
                    let mut told: Vec<_> = listeners
                        .on(&key(number))
                        .map(|listener| (listener.addr, listener.socket))
                        .collect();
                    told.sort();
                    let of_key = known.keys().filter(|at| at.0 == number);
                    let expected: Vec<_> = of_key
                        .map(|at| (([192, 0, 2, at.1], 4222).into(), at.2))
                        .collect();
                    prop_assert_eq!(told, expected);
                }
            }
            listeners.drop_expired(now + LIFETIME);
            prop_assert!(listeners.len() == 0 && listeners.shares.is_empty());
            prop_assert!(listeners.by_source.is_empty());
        }
    }
}
