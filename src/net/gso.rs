//! Trains: datagrams of one size to one address, which some systems take in one call (UDP segmentation offload) at a
//! fraction of what one call for each costs.

use crate::Family;
use crate::node::Transmit;

/// Whether the system sends several datagrams in one call.
const IS_OFFERED: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// Datagrams of a train: what the system takes.
const MAX_CARS: usize = if IS_OFFERED { 64 } else { 1 };
/// Bytes of a train: less than the largest UDP payload.
const MAX_BYTES: usize = 60_000;

/// How many of the first datagrams make a train: the same address, the same size, only the last may be smaller. One is
/// always there if there are any.
pub(crate) fn length(datagrams: &[Transmit]) -> usize {
    let Some(first) = datagrams.first() else {
        return 0;
    };
    let size = first.bytes.len();
    let mut bytes = size;
    let followers = datagrams.windows(2).take_while(|pair| {
        let [last, car] = pair else { return false };
        let len = car.bytes.len();
        bytes += len;
        car.to == first.to
            && last.bytes.len() == size
            && (1..=size).contains(&len)
            && bytes <= MAX_BYTES
    });
    1 + followers.take(MAX_CARS - 1).count()
}

/// How many datagrams come before the next train or the next one of the other address family.
pub(crate) fn gap(datagrams: &[Transmit]) -> usize {
    let Some(first) = datagrams.first() else {
        return 0;
    };
    let family = Family::of(&first.to);
    let next = (1..datagrams.len()).find(|&index| {
        let rest = datagrams.get(index..).unwrap_or_default();
        length(rest) > 1 || rest.first().is_some_and(|it| Family::of(&it.to) != family)
    });
    next.unwrap_or(datagrams.len())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn car(port: u16, len: usize) -> Transmit {
        Transmit {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            bytes: vec![port as u8; len].into(),
        }
    }

    #[test]
    fn a_train_has_one_address_and_one_size_but_for_its_end() {
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[car(1, 0), car(1, 0)]), 1);
        assert_eq!(length(&[car(1, 65_507), car(1, 65_507)]), 1);
        if IS_OFFERED {
            assert_eq!(length(&[car(1, 9), car(1, 9), car(1, 5), car(1, 5)]), 3);
            assert_eq!(length(&[car(1, 9), car(1, 10)]), 1);
            assert_eq!(length(&[car(1, 9), car(2, 9)]), 1);
            assert_eq!(length(&vec![car(1, 9); 100]), MAX_CARS);
            assert_eq!(length(&vec![car(1, 1_300); 100]), MAX_BYTES / 1_300);
        } else {
            assert_eq!(length(&[car(1, 9), car(1, 9)]), 1);
        }
    }

    #[test]
    fn a_gap_ends_at_the_next_train_or_family() {
        assert_eq!(gap(&[]), 0);
        assert_eq!(gap(&[car(1, 9), car(2, 9), car(3, 9)]), 3);
        let v6 = Transmit {
            to: "[::1]:1".parse().unwrap(),
            bytes: "hello".into(),
        };
        assert_eq!(gap(&[car(1, 9), car(2, 9), v6]), 2);
        if IS_OFFERED {
            assert_eq!(gap(&[car(1, 9), car(2, 9), car(2, 9)]), 1);
        }
    }
}
