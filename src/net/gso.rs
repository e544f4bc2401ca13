//! Batches for UDP segmentation offload (GSO): datagrams of one size to one address, which some
//! systems take in one call, as segments of one buffer, at a fraction of what one call for each
//! costs.

use super::datagram::Datagram;
use crate::Family;

/// Whether the system sends several datagrams in one call.
const IS_OFFERED: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// Segments of a batch: what the system takes.
const MAX_SEGMENTS: usize = if IS_OFFERED { 64 } else { 1 };
/// Bytes of a batch: less than the largest UDP payload.
const MAX_BYTES: usize = 60_000;

/// Returns how many of the first datagrams make a batch: they have the same addresses and the
/// same size, only the last may be smaller. At least one if there are any.
pub(super) fn batch_len(datagrams: &[Datagram]) -> usize {
    let Some(first) = datagrams.first() else {
        return 0;
    };
    let size = first.bytes.len();
    let mut bytes = size;
    let followers = datagrams.windows(2).take_while(|pair| {
        let [last, next] = pair else { return false };
        let len = next.bytes.len();
        bytes += len;
        (next.to, next.source) == (first.to, first.source)
            && last.bytes.len() == size
            && (1..=size).contains(&len)
            && bytes <= MAX_BYTES
    });
    1 + followers.take(MAX_SEGMENTS - 1).count()
}

/// Returns how many datagrams come before the next batch of several, or the next datagram of the
/// other address family or from another address.
pub(super) fn run_before_batch(datagrams: &[Datagram]) -> usize {
    let Some(first) = datagrams.first() else {
        return 0;
    };
    let way = |datagram: &Datagram| (Family::of(&datagram.to), datagram.source);
    let next = (1..datagrams.len()).find(|&index| {
        let rest = datagrams.get(index..).unwrap_or_default();
        batch_len(rest) > 1 || rest.first().is_some_and(|it| way(it) != way(first))
    });
    next.unwrap_or(datagrams.len())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn segment(port: u16, len: usize) -> Datagram {
        Datagram {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            source: None,
            bytes: vec![port as u8; len].into(),
        }
    }

    #[test]
    fn a_batch_has_one_address_and_one_size_but_for_its_end() {
        assert_eq!(batch_len(&[]), 0);
        assert_eq!(batch_len(&[segment(1, 0), segment(1, 0)]), 1);
        assert_eq!(batch_len(&[segment(1, 65_507), segment(1, 65_507)]), 1);
        if IS_OFFERED {
            assert_eq!(
                batch_len(&[segment(1, 9), segment(1, 9), segment(1, 5), segment(1, 5)]),
                3
            );
            assert_eq!(batch_len(&[segment(1, 9), segment(1, 10)]), 1);
            assert_eq!(batch_len(&[segment(1, 9), segment(2, 9)]), 1);
            assert_eq!(batch_len(&vec![segment(1, 9); 100]), MAX_SEGMENTS);
            assert_eq!(batch_len(&vec![segment(1, 1_300); 100]), MAX_BYTES / 1_300);
        } else {
            assert_eq!(batch_len(&[segment(1, 9), segment(1, 9)]), 1);
        }
    }

    #[test]
    fn a_run_ends_at_the_next_batch_or_family() {
        assert_eq!(run_before_batch(&[]), 0);
        assert_eq!(
            run_before_batch(&[segment(1, 9), segment(2, 9), segment(3, 9)]),
            3
        );
        let v6 = Datagram {
            to: "[::1]:1".parse().unwrap(),
            source: None,
            bytes: "hello".into(),
        };
        assert_eq!(run_before_batch(&[segment(1, 9), segment(2, 9), v6]), 2);
        let elsewhere = Datagram {
            source: Some([127, 0, 0, 2].into()),
            ..segment(2, 9)
        };
        let (same, other) = (segment(2, 9), segment(3, 9));
        assert_eq!(batch_len(&[same.clone(), elsewhere.clone()]), 1);
        assert_eq!(run_before_batch(&[same, elsewhere, other]), 1);
        if IS_OFFERED {
            assert_eq!(
                run_before_batch(&[segment(1, 9), segment(2, 9), segment(2, 9)]),
                1
            );
        }
    }
}
