//! [`Latency`]: how long datagrams travel, between random places or between regions of the world.

use std::time::Duration;

use super::HostId;

/// How long a datagram travels from one host to another. Each pair of hosts has its own time, the
/// same both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Latency {
    /// Least and greatest time one way; all between are equally likely.
    Between(Duration, Duration),
    /// Hosts are in ten regions of the world, as many in each, and 1 to 10 ms from the centre of
    /// their region (that range is ours). Half the round trip of [`REGIONS`] lies between the
    /// centres.
    World,
}

/// Ten regions and the average round trips between them in milliseconds, from the 27th of July to
/// the 25th of August 2024.
///
/// Source: IBM Cloud documentation, "Network latency dashboards" for VPC (`ibm-cloud-docs/vpc`),
/// table "Inter-region latency"; the mean of both directions. Within a region the figure is that
/// between availability zones.
pub const REGIONS: [(&str, [u16; 10]); 10] = [
    ("Dallas", [2, 34, 31, 123, 113, 121, 150, 186, 143, 145]),
    ("Toronto", [34, 2, 19, 93, 83, 107, 169, 215, 162, 129]),
    ("Washington", [31, 19, 2, 91, 75, 88, 172, 214, 165, 119]),
    ("Frankfurt", [123, 93, 91, 2, 13, 29, 232, 250, 233, 197]),
    ("London", [113, 83, 75, 13, 2, 27, 244, 261, 244, 188]),
    ("Madrid", [121, 107, 88, 29, 27, 2, 257, 275, 257, 209]),
    ("Osaka", [150, 169, 172, 232, 244, 257, 2, 122, 9, 292]),
    ("Sydney", [186, 215, 214, 250, 261, 275, 122, 2, 115, 328]),
    ("Tokyo", [143, 162, 165, 233, 244, 257, 9, 115, 2, 284]),
    (
        "Sao Paulo",
        [145, 129, 119, 197, 188, 209, 292, 328, 284, 2],
    ),
];

/// Least and greatest time from a host to the centre of its region.
const ACCESS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

impl Latency {
    /// Returns the time one way between two hosts. `salt` makes one world differ from another.
    pub(super) fn one_way(self, salt: u64, from: HostId, to: HostId) -> Duration {
        let (low, high) = (from.min(to).number(), from.max(to).number());
        match self {
            Self::Between(least, greatest) => {
                spread(least, greatest, scatter(salt ^ (low << 32) ^ high))
            }
            Self::World => {
                let (one, other) = (scatter(salt ^ low), scatter(salt ^ high));
                let round_trip = REGIONS[region(one)].1[region(other)];
                let between = Duration::from_micros(u64::from(round_trip) * 500);
                let access = |host: u64| spread(ACCESS.0, ACCESS.1, scatter(host));
                between + access(one) + access(other)
            }
        }
    }
}

/// Returns the region of a host whose scattered number is this.
fn region(host: u64) -> usize {
    (host % REGIONS.len() as u64) as usize
}

/// Returns the time that stands where `share` stands among all numbers.
fn spread(least: Duration, greatest: Duration, share: u64) -> Duration {
    let micros = greatest.saturating_sub(least).as_micros();
    least + Duration::from_micros(((u128::from(share) * micros) >> 64) as u64)
}

/// Returns a number that looks unrelated to `number` (the finalizer of `SplitMix64`).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_matrix_is_the_same_both_ways_and_least_at_home() {
        for (one, (name, row)) in REGIONS.iter().enumerate() {
            for (other, (_, column)) in REGIONS.iter().enumerate() {
                assert_eq!(row[other], column[one], "{name}");
                assert!(one == other || row[other] > row[one], "{name}");
            }
        }
    }

    #[test]
    fn pairs_of_hosts_keep_their_time_in_both_directions() {
        let hosts: Vec<_> = (0..60).map(HostId::new).collect();
        for latency in [Latency::Between(millis(5), millis(20)), Latency::World] {
            let mut seen = Vec::new();
            for one in &hosts {
                for other in &hosts {
                    let time = latency.one_way(7, *one, *other);
                    assert_eq!(time, latency.one_way(7, *other, *one));
                    seen.push(time);
                }
            }
            let (least, greatest) = match latency {
                Latency::Between(least, greatest) => (least, greatest),
                Latency::World => (millis(3), millis(164 + 20)),
            };
            assert!(seen.iter().all(|time| (least..=greatest).contains(time)));
            assert_ne!(seen.iter().min(), seen.iter().max());
            assert_ne!(
                latency.one_way(7, hosts[1], hosts[2]),
                latency.one_way(8, hosts[1], hosts[2])
            );
        }
    }
}
