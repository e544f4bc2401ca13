//! [`Shares`]: how much each source has of something that is bounded, and which has most.
//!
//! Whoever controls a network controls its addresses, so sources are compared by their networks
//! first: an IPv4 /24, an IPv6 /48 and the /56 in it. The networks of private and loopback
//! addresses say nothing of who controls what, and are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Scope, Source};

/// Amounts by source and by network. An operation costs the logarithm of their number.
#[derive(Clone, Default, Debug)]
pub struct Shares {
    /// What each network and source has; never zero.
    amounts: BTreeMap<Prefix, usize>,
    /// The same by the network around it.
    ranking: BTreeSet<(Option<Prefix>, usize, Prefix)>,
}

/// A network or a source. The 64 bits that matter of an IPv6 address, or those of an IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Prefix {
    bits: u64,
    len: u8,
}

impl Shares {
    /// Returns what a source has.
    pub fn of(&self, source: Source) -> usize {
        self.amount(Prefix::of(source))
    }

    /// Reports whether no source has anything.
    pub fn is_empty(&self) -> bool {
        self.amounts.is_empty()
    }

    /// Notes that a source has so much more.
    pub fn add(&mut self, source: Source, more: usize) {
        self.change(source, |amount| amount + more);
    }

    /// Notes that a source has so much less.
    pub fn remove(&mut self, source: Source, less: usize) {
        self.change(source, |amount| amount.saturating_sub(less));
    }

    /// Returns the source that has most, in the network that has most; `None` if none has anything.
    pub fn heaviest(&self) -> Option<Source> {
        let mut around = None;
        while let Some((_, prefix)) = self.most_within(around) {
            around = Some(prefix);
        }
        around.map(Source::from)
    }

    /// Returns the source that would have most if `comer` had so much `more`, in the network that
    /// would. One that has nothing yet does not lose to its equals.
    pub fn heaviest_with(&self, comer: Source, more: usize) -> Source {
        let mut around = None;
        for own in Prefix::path(comer) {
            let amount = self.amount(own);
            if let Some((most, prefix)) = self.most_within(around)
                && prefix != own
                && (most > amount + more || (amount == 0 && most == more))
            {
                around = Some(prefix);
                while let Some((_, prefix)) = self.most_within(around) {
                    around = Some(prefix);
                }
                break;
            }
            around = Some(own);
        }
        around.map_or(comer, Source::from)
    }

    /// Returns the network or source that has most within another, or in all.
    fn most_within(&self, around: Option<Prefix>) -> Option<(usize, Prefix)> {
        let range = (around, 0, Prefix::MIN)..=(around, usize::MAX, Prefix::MAX);
        let (_, amount, prefix) = self.ranking.range(range).next_back()?;
        Some((*amount, *prefix))
    }

    fn amount(&self, prefix: Prefix) -> usize {
        self.amounts.get(&prefix).copied().unwrap_or_default()
    }

    fn change(&mut self, source: Source, change: impl Fn(usize) -> usize) {
        let mut around = None;
        for prefix in Prefix::path(source) {
            let before = self.amount(prefix);
            let after = change(before);
            self.ranking.remove(&(around, before, prefix));
            if after > 0 {
                self.amounts.insert(prefix, after);
                self.ranking.insert((around, after, prefix));
            } else {
                self.amounts.remove(&prefix);
            }
            around = Some(prefix);
        }
    }
}

impl Prefix {
    const MIN: Self = Self { bits: 0, len: 0 };
    const MAX: Self = Self {
        bits: u64::MAX,
        len: u8::MAX,
    };

    /// Returns the source itself.
    fn of(source: Source) -> Self {
        match IpAddr::from(source) {
            IpAddr::V4(ip) => Self {
                bits: ip.to_bits().into(),
                len: 32,
            },
            IpAddr::V6(ip) => Self {
                bits: (ip.to_bits() >> 64) as u64,
                len: 64,
            },
        }
    }

    /// Returns the networks around a source, the widest first, and the source.
    fn path(source: Source) -> impl Iterator<Item = Self> {
        let own = Self::of(source);
        let ip = IpAddr::from(source);
        let lens: &[u8] = match ip {
            // The lowest address of the network of `::1` is `::`.
            _ if Scope::of(ip) != Scope::Public || ip.is_unspecified() => &[],
            IpAddr::V4(_) => &[24],
            IpAddr::V6(_) => &[48, 56],
        };
        let networks = lens.iter().map(move |len| Self {
            bits: own.bits >> (own.len - len) << (own.len - len),
            len: *len,
        });
        networks.chain([own])
    }
}

impl From<Prefix> for Source {
    /// Returns the source that a prefix of full length is.
    fn from(Prefix { bits, len }: Prefix) -> Self {
        Self::of(if len <= 32 {
            Ipv4Addr::from_bits(bits as u32).into()
        } else {
            Ipv6Addr::from_bits(u128::from(bits) << 64).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_source_is_in_the_heaviest_network() {
        let mut shares = Shares::default();
        assert_eq!(shares.heaviest(), None);
        shares.add(source("192.0.2.1"), 5);
        assert_eq!(shares.heaviest(), Some(source("192.0.2.1")));
        shares.add(source("198.51.100.1"), 3);
        shares.add(source("198.51.100.2"), 4);
        assert_eq!(shares.heaviest(), Some(source("198.51.100.2")));
        shares.add(source("2001:db8:1:101::1"), 2);
        shares.add(source("2001:db8:1:102::1"), 2);
        shares.add(source("2001:db8:1:201::1"), 3);
        shares.add(source("2001:db8:1:301::1"), 1);
        assert_eq!(shares.heaviest(), Some(source("2001:db8:1:102::1")));
        shares.remove(source("2001:db8:1:102::1"), 2);
        assert_eq!(shares.heaviest(), Some(source("198.51.100.2")));
        assert_eq!(shares.of(source("2001:db8:1:102::1")), 0);
        assert_eq!(shares.of(source("198.51.100.1")), 3);
    }

    #[test]
    fn one_that_comes_loses_if_it_would_have_most() {
        let mut shares = Shares::default();
        let comer = source("192.0.2.1");
        assert_eq!(shares.heaviest_with(comer, 1), comer);
        let other = source("198.51.100.1");
        shares.add(other, 2);
        assert_eq!(shares.heaviest_with(comer, 1), other);
        assert_eq!(shares.heaviest_with(comer, 2), other, "it has nothing yet");
        assert_eq!(shares.heaviest_with(comer, 3), comer);
        shares.add(comer, 1);
        assert_eq!(shares.heaviest_with(comer, 1), comer);
        // Its network has most, and in that its neighbour.
        let neighbour = source("192.0.2.2");
        shares.add(neighbour, 4);
        assert_eq!(shares.heaviest_with(comer, 1), neighbour);
    }

    #[test]
    fn private_addresses_share_no_network() {
        let mut shares = Shares::default();
        for (private, public) in [
            ("10.0.0.1", "192.0.2.1"),
            ("127.0.0.1", "192.0.2.1"),
            ("fd00::1", "2001:db8::1"),
            ("::1", "2001:db8::1"),
        ] {
            assert_eq!(Prefix::path(source(private)).count(), 1);
            assert!(Prefix::path(source(public)).count() > 1);
            shares.add(source(private), 1);
            assert_eq!(shares.heaviest(), Some(source(private)));
            shares.remove(source(private), 1);
            assert!(shares.is_empty() && shares.ranking.is_empty());
        }
    }

    fn source(ip: &str) -> Source {
        Source::of(ip.parse().unwrap())
    }
}
