//! [`WarmStart`]: the tables that nodes have if the world does not begin with a bootstrap.

use super::HostId;
use bulla_dht::{Contact, InfoHash, Rng};

/// The ids of the first nodes, which their tables hold before they start.
#[derive(Default, Debug)]
pub(super) struct WarmStart {
    ids: Vec<InfoHash>,
    /// The nodes that a table can hold, by id.
    contacts: Vec<Contact>,
}

impl WarmStart {
    /// Takes the id of the first node at each host, and the nodes that a table can hold.
    pub(super) fn new(ids: Vec<InfoHash>, mut contacts: Vec<Contact>) -> Self {
        contacts.sort_unstable();
        Self { ids, contacts }
    }

    /// Returns the id of the first node at a host.
    pub(super) fn id(&self, host: HostId) -> Option<InfoHash> {
        self.ids.get(host.index()).copied()
    }

    /// Returns what a node saved before it was restarted: of each half of the id space that is not
    /// its own, of each quarter of its half, and so on, as many contacts as a bucket holds, at
    /// random; the nearest ones first.
    pub(super) fn of(&self, own: InfoHash, bucket_size: usize, rng: &mut Rng) -> Vec<Contact> {
        let mut known = Vec::new();
        let mut range = &self.contacts[..];
        for depth in 0..InfoHash::BITS {
            if range.len() <= bucket_size {
                break;
            }
            let upper = range.partition_point(|contact| !contact.id.bit(depth));
            let (low, high) = range.split_at(upper);
            let (near, far) = if own.bit(depth) {
                (high, low)
            } else {
                (low, high)
            };
            known.extend(chosen(far, bucket_size, rng));
            range = near;
        }
        known.extend(range.iter().filter(|contact| contact.id != own));
        known.sort_by_key(|contact| contact.id.distance(&own));
        known
    }
}

/// Draws `count` of these, each once.
fn chosen(from: &[Contact], count: usize, rng: &mut Rng) -> Vec<Contact> {
    let mut places = Vec::new();
    while places.len() < count.min(from.len()) {
        let place = rng.below(from.len() as u64) as usize;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.into_iter().map(|place| from[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_dht::Seed;

    #[test]
    fn each_knows_some_of_every_range_and_all_its_neighbours() {
        let mut rng = Seed::from_number(1).public();
        let contacts: Vec<_> = (0..1_000u16)
            .map(|port| Contact::new(rng.hash(), ([192, 0, 2, 1], port).into()))
            .collect();
        let own = contacts[0].id;
        let warm_start = WarmStart::new(Vec::new(), contacts.clone());
        let known = warm_start.of(own, 8, &mut rng);
        for depth in 0..4 {
            let there = known
                .iter()
                .filter(|contact| contact.id.common_prefix(&own) == depth);
            assert_eq!(there.count(), 8);
        }
        let mut nearest: Vec<_> = contacts
            .into_iter()
            .filter(|contact| contact.id != own)
            .collect();
        nearest.sort_by_key(|contact| contact.id.distance(&own));
        assert_eq!(known[..7], nearest[..7]);
        let mut ids: Vec<_> = known.iter().map(|contact| contact.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), known.len());
    }
}
