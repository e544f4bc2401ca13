//! [`Listeners`]: the remote nodes that are notified of the values under a key
//! (`docs/spec/node.md#5.4`).

use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use thiserror::Error;

use super::ListenConfig;
use super::interner::{Interner, Number};
use crate::{Condition, InfoHash, Query, Rng, Source, Timestamp, Value};

/// Which remote nodes listen on which keys. A listener is known by its address, its socket number
/// and the key: a token has validated the address, nothing has validated the id.
///
/// A listener takes some 140 bytes, 220 if it is alone on its key, and 100 more if its address
/// listens on nothing else; its query comes on top ([`Listener::MAX_QUERY_BYTES`]).
pub(crate) struct Listeners {
    lifetime: Duration,
    max: usize,
    max_per_key: usize,
    max_per_source: usize,
    keys: Interner<InfoHash>,
    addresses: Interner<SocketAddr>,
    remote_listens: Slab<RemoteListen>,
    by_key: BTreeMap<Place, RemoteListenNumber>,
    by_address: BTreeSet<(Number, RemoteListenNumber)>,
    by_renewal: BTreeSet<(Timestamp, RemoteListenNumber)>,
    per_source: BTreeMap<Source, u32>,
}

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
    /// The key has [`ListenConfig::max_per_key`] listeners.
    #[error("too many listeners on this key")]
    KeyFull,
    /// The listener's [`Source`] has [`ListenConfig::max_per_source`] of them.
    #[error("too many listeners from this address")]
    SourceFull,
    /// There are as many listeners as there may be at all.
    #[error("too many listeners")]
    Full,
    /// Its query is larger than [`Listener::MAX_QUERY_BYTES`].
    #[error("the query is too large")]
    QueryTooLarge,
}

struct RemoteListen {
    place: Place,
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
            keys: Interner::new(rng),
            addresses: Interner::new(rng),
            remote_listens: Slab::new(),
            by_key: BTreeMap::new(),
            by_address: BTreeSet::new(),
            by_renewal: BTreeSet::new(),
            per_source: BTreeMap::new(),
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
            let remote_listen = &mut self.remote_listens[number.index()];
            self.by_renewal.remove(&(remote_listen.renewed, number));
            *remote_listen = RemoteListen {
                place: remote_listen.place,
                version,
                query,
                renewed: remote_listen.renewed.max(now),
            };
            self.by_renewal.insert((remote_listen.renewed, number));
            return Ok(Subscribed::Renewed);
        }
        let source = Source::of(addr.ip());
        let from_source = self.per_source.get(&source).copied().unwrap_or_default();
        if self.remote_listens.len() >= self.max {
            return Err(SubscribeError::Full);
        }
        if known_key.is_some_and(|key| self.keys.uses(key) >= self.max_per_key) {
            return Err(SubscribeError::KeyFull);
        }
        if from_source as usize >= self.max_per_source {
            return Err(SubscribeError::SourceFull);
        }
        self.per_source.insert(source, from_source + 1);
        let place = Place {
            key: self.keys.acquire(*key),
            address: self.addresses.acquire(addr),
            socket,
        };
        let number = RemoteListenNumber(self.remote_listens.insert(RemoteListen {
            place,
            version,
            query,
            renewed: now,
        }) as u32);
        self.by_key.insert(place, number);
        self.by_address.insert((place.address, number));
        self.by_renewal.insert((now, number));
        Ok(Subscribed::New)
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
        let range = |key| {
            let place = |address, socket| Place {
                key,
                address,
                socket,
            };
            place(Number::MIN, 0)..=place(Number::MAX, u32::MAX)
        };
        let key = self.keys.find(key).into_iter();
        key.flat_map(move |key| self.by_key.range(range(key)))
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
        let RemoteListen { place, renewed, .. } = self.remote_listens.remove(number.index());
        let addr = self.addresses.item(place.address);
        self.by_key.remove(&place);
        self.by_address.remove(&(place.address, number));
        self.by_renewal.remove(&(renewed, number));
        self.keys.release(place.key);
        self.addresses.release(place.address);
        let source = Source::of(addr.ip());
        if let Some(count) = self.per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&source);
            }
        }
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
    fn limits_apply_to_new_listeners_only() {
        let mut listeners = listeners();
        let now = Timestamp::ZERO;
        let mut subscribe =
            |number, host, socket| listeners.subscribe(now, &key(number), listener(host, socket));
        for socket in 0..3 {
            assert_eq!(subscribe(1, 1, socket), Ok(Subscribed::New));
        }
        assert_eq!(subscribe(1, 2, 0), Err(SubscribeError::KeyFull));
        assert_eq!(subscribe(2, 1, 3), Ok(Subscribed::New));
        assert_eq!(subscribe(2, 1, 4), Err(SubscribeError::SourceFull));
        assert_eq!(subscribe(1, 1, 0), Ok(Subscribed::Renewed));
        for host in 2..6 {
            assert_eq!(subscribe(10 + host, host, 0), Ok(Subscribed::New));
        }
        assert_eq!(subscribe(20, 9, 0), Err(SubscribeError::Full));
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
            6 => (0..3u8, 0..4u8, 0..2u32)
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
            let mut listeners = listeners();
            let mut known: BTreeMap<(u8, u8, u32), Timestamp> = BTreeMap::new();
            let mut now = Timestamp::ZERO;
            for step in steps {
                match step {
                    ListenerStep::Subscribe { key: number, host, socket } => {
                        let at = (number, host, socket);
                        let full = known.len() >= 8
                            || known.keys().filter(|at| at.0 == number).count() >= 3
                            || known.keys().filter(|at| at.1 == host).count() >= 4;
                        let result = listeners.subscribe(now, &key(number), listener(host, socket));
                        match known.contains_key(&at) {
                            true => prop_assert_eq!(result, Ok(Subscribed::Renewed)),
                            false if full => prop_assert!(result.is_err()),
                            false => prop_assert_eq!(result, Ok(Subscribed::New)),
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
            prop_assert!(listeners.len() == 0 && listeners.per_source.is_empty());
        }
    }
}
