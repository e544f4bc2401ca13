//! [`AddressVotes`]: the addresses that others see this node at.

use std::net::IpAddr;

/// Addresses remembered in each family.
const MAX_ADDRESSES: usize = 32;

/// Which addresses others have seen this node at.
#[derive(Default, Debug)]
pub(super) struct AddressVotes {
    /// Each address with how many replies named it.
    votes: Vec<(IpAddr, u32)>,
}

impl AddressVotes {
    /// Takes in that a reply named an address.
    pub(super) fn add(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        if let Some((_, votes)) = self.votes.iter_mut().find(|(known, _)| *known == ip) {
            *votes = votes.saturating_add(1);
            return;
        }
        let family = |known: &IpAddr| known.is_ipv4() == ip.is_ipv4();
        if self.votes.iter().filter(|(known, _)| family(known)).count() < MAX_ADDRESSES {
            self.votes.push((ip, 1));
        }
    }

    /// Forgets all, as the network has changed.
    pub(super) fn clear(&mut self) {
        self.votes.clear();
    }

    /// Returns the addresses, those first that most replies named.
    pub(super) fn by_votes(&self) -> Vec<IpAddr> {
        let mut votes = self.votes.clone();
        votes.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        votes.into_iter().map(|(ip, _)| ip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_most_replies_named_comes_first() {
        let mut votes = AddressVotes::default();
        let ips = [ip(1), ip(2), "::1".parse().unwrap()];
        for index in [0, 1, 2, 1, 2, 2] {
            votes.add(ips[index]);
        }
        assert_eq!(votes.by_votes(), [ips[2], ips[1], ips[0]]);
        votes.clear();
        assert!(votes.by_votes().is_empty());
    }

    #[test]
    fn mapped_addresses_are_those_they_map() {
        let mut votes = AddressVotes::default();
        votes.add("::ffff:127.0.0.1".parse().unwrap());
        votes.add(ip(1));
        assert_eq!(votes.by_votes(), [ip(1)]);
    }

    #[test]
    fn addresses_of_each_family_are_remembered_up_to_a_bound() {
        let mut votes = AddressVotes::default();
        for last in 1..=40 {
            votes.add(ip(last));
        }
        let v6: IpAddr = "::1".parse().unwrap();
        for addr in [v6, ip(40), ip(32)] {
            votes.add(addr);
        }
        assert_eq!(votes.by_votes().len(), MAX_ADDRESSES + 1);
        assert_eq!(votes.by_votes()[0], ip(32));
    }

    fn ip(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }
}
