//! The store against a naive model that checks each of its steps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Seed;
use crate::value::sample::sample;

const LIMIT: usize = 4_000;
const LIMIT_PER_SOURCE: usize = 1_500;

#[derive(Clone, Copy, Debug)]
enum Step {
    Store {
        key: u8,
        id: u64,
        len: usize,
        source: Option<u8>,
        life: u64,
    },
    Refresh {
        key: u8,
        id: u64,
        life: u64,
        by: u8,
    },
    RemoveOwn {
        key: u8,
        id: u64,
    },
    Expire,
}

proptest! {
    #[test]
    fn the_store_does_what_the_model_allows(
        steps in proptest::collection::vec((step(), 0..20u64), 1..150),
    ) {
        let mut run = Run::new();
        for (step, wait) in steps {
            // The microsecond makes every moment, and so every expiry, one of its own.
            run.now = run.now + Duration::from_secs(wait) + Duration::from_micros(1);
            run.step(step);
            run.compare();
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..4u8, 0..6u64);
    let store = (
        place(),
        0..400usize,
        proptest::option::of(0..6u8),
        1..300u64,
    );
    prop_oneof![
        8 => store.prop_map(|((key, id), len, source, life)| Step::Store { key, id, len, source, life }),
        2 => (place(), 1..300u64, 0..6u8)
            .prop_map(|((key, id), life, by)| Step::Refresh { key, id, life, by }),
        1 => place().prop_map(|(key, id)| Step::RemoveOwn { key, id }),
        1 => Just(Step::Expire),
    ]
}

/// What the model knows of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    len: usize,
    source: Option<IpAddr>,
    expires: Timestamp,
    /// Whether another source than its own wanted it last.
    is_kept: bool,
}

struct Run {
    now: Timestamp,
    storage: Storage,
    known: BTreeMap<(InfoHash, ValueId), Known>,
}

impl Run {
    fn new() -> Self {
        let config = StorageConfig {
            limit_bytes: LIMIT,
            limit_per_source_bytes: LIMIT_PER_SOURCE,
            ..StorageConfig::default()
        };
        Self {
            now: Timestamp::ZERO,
            storage: Storage::new(&config, InfoHash::ZERO, &mut Seed::from_number(1).hashing()),
            known: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Store {
                key,
                id,
                len,
                source,
                life,
            } => self.store(place(key, id), len, source.map(network), self.until(life)),
            Step::Refresh { key, id, life, by } => {
                let (key, id) = place(key, id);
                let expires = self.until(life);
                let result =
                    self.storage
                        .refresh(self.now, &key, id, expires, Source::of(network(by)));
                assert_eq!(result.is_ok(), self.known.contains_key(&(key, id)));
                if let Some(known) = self.known.get_mut(&(key, id)) {
                    known.expires = known.expires.max(expires);
                    known.is_kept = known.source.is_some_and(|source| source != network(by));
                }
            }
            Step::RemoveOwn { key, id } => {
                let at = place(key, id);
                let own = self
                    .known
                    .get(&at)
                    .is_some_and(|known| known.source.is_none());
                assert_eq!(self.storage.remove_own(&at.0, at.1), own);
                if own {
                    self.known.remove(&at);
                }
            }
            Step::Expire => {
                let mut expired = self.storage.expire(self.now);
                expired.sort();
                let (gone, alive): (BTreeMap<_, _>, _) = std::mem::take(&mut self.known)
                    .into_iter()
                    .partition(|(_, known)| known.expires <= self.now);
                self.known = alive;
                assert_eq!(expired, gone.into_keys().collect::<Vec<_>>());
            }
        }
    }

    fn store(
        &mut self,
        at: (InfoHash, ValueId),
        len: usize,
        source: Option<IpAddr>,
        expires: Timestamp,
    ) {
        let incoming = Incoming {
            value: sample(at.1.0).data(&vec![0; len]).build(),
            source: source.map(Source::of),
            created: self.now,
            expires,
        };
        let stored = self.storage.store(self.now, &at.0, incoming);
        let Stored { change, evicted } = stored.unwrap();
        let mut new = Known {
            len,
            source,
            expires,
            is_kept: false,
        };
        let expected = match self.known.remove(&at) {
            None => StoreOutcome::New,
            Some(old) if old.len == len => {
                new.expires = expires.max(old.expires);
                new.source = source.and(old.source);
                new.is_kept = new.source.is_some() && old.source != source;
                StoreOutcome::Refreshed
            }
            Some(_) => StoreOutcome::Edited,
        };
        assert_eq!(change, expected);
        for victim in evicted {
            self.check_victim(victim, &new);
            self.known.remove(&victim);
        }
        self.known.insert(at, new);
    }

    /// Checks that `victim` is the one that must give way for `new`.
    fn check_victim(&self, victim: (InfoHash, ValueId), new: &Known) {
        let with_new =
            |source| self.used(source) + if source == new.source { new.size() } else { 0 };
        let own = with_new(new.source) > LIMIT_PER_SOURCE;
        let others: usize = self.others().map(Known::size).sum();
        assert!(
            new.source.is_some() && (own || others + new.size() > LIMIT),
            "needless"
        );

        let gone = &self.known[&victim];
        let earliest = self
            .known
            .values()
            .map(|known| known.expires)
            .min()
            .unwrap();
        if earliest <= self.now {
            assert_eq!(gone.expires, earliest, "expired values go first");
            return;
        }
        if own {
            assert_eq!(gone.source, new.source, "a source makes room itself");
        } else {
            let is_heaviest = |with: &dyn Fn(Option<IpAddr>) -> usize| {
                let sources: BTreeSet<_> = self.others().map(|known| known.source).collect();
                let sources = || sources.iter().copied().chain([new.source]);
                let family = |of: Option<IpAddr>| -> BTreeSet<_> {
                    sources()
                        .filter(|it| {
                            it.is_some_and(|it| it.is_ipv4()) == of.is_some_and(|it| it.is_ipv4())
                        })
                        .collect()
                };
                let network = |of| family(of).into_iter().map(with).sum::<usize>();
                sources().map(network).max() == Some(network(gone.source))
                    && family(gone.source).into_iter().map(with).max() == Some(with(gone.source))
            };
            let is_newcomer = self.used(new.source) == 0;
            assert!(
                is_heaviest(&with_new) || (is_newcomer && is_heaviest(&|it| self.used(it))),
                "the source that uses most makes room, in the network that does"
            );
        }
        let class = |(key, known): (&InfoHash, &Known)| {
            (!known.is_kept).then(|| InfoHash::ZERO.common_prefix(key))
        };
        let of_same = self
            .known
            .iter()
            .filter(|(_, known)| known.source == gone.source);
        let first = of_same
            .map(|((key, _), known)| (class((key, known)), known.expires))
            .min();
        let gone = (class((&victim.0, gone)), gone.expires);
        assert_eq!(Some(gone), first, "the first class goes, by expiry");
    }

    /// Checks that store and model hold the same, within the limits.
    fn compare(&self) {
        let stored: BTreeMap<_, _> = self
            .storage
            .export()
            .map(|entry| {
                let known = Known {
                    len: entry.value.data().len(),
                    source: entry.source,
                    expires: entry.expires,
                    is_kept: self.known[&(entry.key, entry.value.id())].is_kept,
                };
                ((entry.key, entry.value.id()), known)
            })
            .collect();
        assert_eq!(stored, self.known);

        let sizes = self.storage.sizes();
        let others: usize = self.others().map(Known::size).sum();
        assert_eq!(sizes.others_bytes, others);
        assert_eq!(sizes.own_bytes, self.used(None));
        assert!(others <= LIMIT);
        for known in self.others() {
            assert!(self.used(known.source) <= LIMIT_PER_SOURCE);
        }
        let first = self.known.values().map(|known| known.expires).min();
        assert_eq!(self.storage.next_expiry(), first);
        let keys: BTreeSet<_> = self.known.keys().map(|(key, _)| *key).collect();
        assert_eq!(sizes.keys, keys.len());
        for key in keys {
            let ids = self
                .known
                .keys()
                .filter(|(of, _)| *of == key)
                .map(|(_, id)| *id);
            let stored = self.storage.entries(&key).map(|entry| entry.value.id());
            assert!(ids.eq(stored));
        }
    }

    fn until(&self, life: u64) -> Timestamp {
        self.now + Duration::from_secs(life)
    }

    fn others(&self) -> impl Iterator<Item = &Known> {
        self.known.values().filter(|known| known.source.is_some())
    }

    fn used(&self, source: Option<IpAddr>) -> usize {
        let of_source = self.known.values().filter(|known| known.source == source);
        of_source.map(Known::size).sum()
    }
}

impl Known {
    fn size(&self) -> usize {
        footprint(&sample(0).data(&vec![0; self.len]).build())
    }
}

fn place(key: u8, id: u64) -> (InfoHash, ValueId) {
    (InfoHash::of(&[key]), ValueId(id))
}

/// Returns the lowest address of a source of either family.
fn network(number: u8) -> IpAddr {
    if number.is_multiple_of(2) {
        IpAddr::from([192, 0, 2, number])
    } else {
        IpAddr::from([0x2001, 0xdb8, 0, number.into(), 0, 0, 0, 0])
    }
}
