//! [`Diversity`]: how many contacts of a table each address and each network may have, so that
//! no party with few addresses can fill it.
//!
//! Ids cost nothing, and one socket answers under any number of them; addresses cost something.
//! Expired contacts are not counted: they give way to any other.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::{Prefix, Scope};

use super::RoutingConfig;
use super::bucket::Bucket;

/// The contacts of each address and of each network, and their bounds.
#[derive(Debug)]
pub(super) struct Diversity {
    per_address: usize,
    per_network: usize,
    per_network_in_bucket: usize,
    includes_private: bool,
    /// Each at least one, so there are no more than twice as many as contacts.
    counts: HashMap<Prefix, usize>,
}

/// Contacts of one address or network of which a table, or a bucket, can hold no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crowd {
    pub(super) prefix: Prefix,
    /// Whether the bucket is crowded and not the table.
    pub(super) is_of_bucket: bool,
}

impl Diversity {
    pub(super) fn new(config: &RoutingConfig) -> Self {
        Self {
            per_address: config.max_per_address,
            per_network: config.max_per_network,
            per_network_in_bucket: config.max_per_network_in_bucket,
            includes_private: config.limit_private_networks,
            counts: HashMap::new(),
        }
    }

    /// Notes that a table has one more contact at this address, or that one is no longer expired.
    pub(super) fn add(&mut self, ip: IpAddr) {
        for prefix in self.prefixes(ip).into_iter().flatten() {
            *self.counts.entry(prefix).or_default() += 1;
        }
    }

    /// Notes that a contact at this address, which was not expired, has gone or is now.
    pub(super) fn remove(&mut self, ip: IpAddr) {
        for prefix in self.prefixes(ip).into_iter().flatten() {
            if let Some(count) = self.counts.get_mut(&prefix) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&prefix);
                }
            }
        }
    }

    /// Returns the crowd that leaves a bucket no room for another contact at this address.
    pub(super) fn crowd<const N: usize>(&self, ip: IpAddr, bucket: &Bucket<N>) -> Option<Crowd> {
        let [address, network] = self.prefixes(ip)?;
        let has_all = |prefix, most| self.count(prefix) >= most;
        let of_table = |prefix| Crowd {
            prefix,
            is_of_bucket: false,
        };
        if has_all(address, self.per_address) {
            return Some(of_table(address));
        }
        if has_all(network, self.per_network) {
            return Some(of_table(network));
        }
        let is_crowded = self.count(network) >= self.per_network_in_bucket
            && bucket.count_in(network) >= self.per_network_in_bucket;
        is_crowded.then_some(Crowd {
            prefix: network,
            is_of_bucket: true,
        })
    }

    fn count(&self, prefix: Prefix) -> usize {
        self.counts.get(&prefix).copied().unwrap_or(0)
    }

    /// Returns what an address counts for; nothing where many nodes have one by right.
    fn prefixes(&self, ip: IpAddr) -> Option<[Prefix; 2]> {
        let is_limited = self.includes_private || Scope::of(ip) == Scope::Public;
        is_limited.then(|| [Prefix::address(ip), Prefix::network(ip)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Diversity {
        /// Asserts that these, and no others, are counted.
        pub(in crate::routing) fn check(&self, counted: impl Iterator<Item = IpAddr>) {
            let mut counts = HashMap::new();
            for prefix in counted.filter_map(|ip| self.prefixes(ip)).flatten() {
                *counts.entry(prefix).or_default() += 1;
            }
            assert_eq!(counts, self.counts);
        }
    }

    #[test]
    fn an_address_and_a_network_have_their_share_of_public_tables_only() {
        let bucket = Bucket::<20>::everything();
        for (limit_private_networks, host, is_limited) in [
            (false, "192.0.2", true),
            (false, "10.0.0", false),
            (false, "100.64.0", false),
            (false, "127.0.0", false),
            (true, "127.0.0", true),
        ] {
            let config = RoutingConfig {
                limit_private_networks,
                ..RoutingConfig::default()
            };
            let mut diversity = Diversity::new(&config);
            let ip = |last: u8| format!("{host}.{last}").parse().unwrap();
            for _ in 0..2 {
                assert_eq!(diversity.crowd(ip(1), &bucket), None);
                diversity.add(ip(1));
            }
            let crowd = diversity.crowd(ip(1), &bucket);
            let address = Crowd {
                prefix: Prefix::address(ip(1)),
                is_of_bucket: false,
            };
            assert_eq!(crowd, is_limited.then_some(address));
            for last in 2..8 {
                assert_eq!(diversity.crowd(ip(last), &bucket), None);
                diversity.add(ip(last));
            }
            assert_eq!(diversity.crowd(ip(8), &bucket).is_some(), is_limited);
            diversity.remove(ip(3));
            assert_eq!(diversity.crowd(ip(8), &bucket), None);
        }
    }
}
