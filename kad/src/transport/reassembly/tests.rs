use std::time::Duration;

use proptest::prelude::*;

use super::*;

const BOUNDS: Usage = Usage {
    sessions: 8,
    bytes: 4_000,
};

fn reassembly() -> Reassembly<u32, &'static str> {
    Reassembly::new(&TransportConfig::default())
}

fn bounded() -> Reassembly<u32, &'static str> {
    Reassembly::new(&TransportConfig {
        max_part_sessions: BOUNDS.sessions,
        max_part_bytes: BOUNDS.bytes,
        ..TransportConfig::default()
    })
}

fn millis(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn key(host: u8, transaction: u32) -> Key<u32> {
    Key {
        from: ([192, 0, 2, host], 4222).into(),
        transaction,
    }
}

fn part(index: usize, offset: usize, data: &[u8]) -> Part<'_> {
    Part {
        index,
        offset,
        data,
    }
}

fn check_bounds<T>(reassembly: &Reassembly<u32, T>, limit: Usage) {
    let mut used = Usage::default();
    for (key, session) in &reassembly.sessions {
        used += session.usage();
        assert!(reassembly.deadlines.contains(&(session.deadline(), *key)));
        assert!(session.holds_anything() && !session.is_complete());
    }
    assert_eq!(reassembly.deadlines.len(), reassembly.sessions.len());
    assert!(
        used.sessions <= limit.sessions && used.bytes <= limit.bytes,
        "{used:?}"
    );
    // What is accounted for is what is there: with that much more there is room, with one byte more
    // there is none.
    let left = Usage {
        sessions: limit.sessions - used.sessions,
        bytes: limit.bytes - used.bytes,
    };
    assert!(reassembly.budget.has_room(left));
    assert!(!reassembly.budget.has_room(
        left + Usage {
            sessions: 0,
            bytes: 1
        }
    ));
    assert!(!reassembly.budget.has_room(
        left + Usage {
            sessions: 1,
            bytes: 0
        }
    ));
}

#[derive(Clone, Debug)]
struct ValuesInParts {
    /// Empty ones stand for embedded ones.
    values: Vec<Vec<u8>>,
    /// Index, offset and length of each part, in the order in which they travel.
    pieces: Vec<(usize, usize, usize)>,
    /// How many parts overtake the announcement.
    early: usize,
}

fn any_message() -> impl Strategy<Value = ValuesInParts> {
    let values = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6);
    let in_pieces = values.prop_flat_map(|values| {
        let pieces = cut(&values);
        let early = pieces.len().min(90);
        (Just(values), Just(pieces).prop_shuffle(), 0..=early)
    });
    in_pieces.prop_map(|(values, pieces, early)| ValuesInParts {
        values,
        pieces,
        early,
    })
}

/// Cuts each value into parts of another length.
fn cut(values: &[Vec<u8>]) -> Vec<(usize, usize, usize)> {
    let mut pieces = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let step = 1 + (index * 37 + value.len()) % 90;
        for offset in (0..value.len()).step_by(step) {
            pieces.push((index, offset, step.min(value.len() - offset)));
        }
    }
    pieces
}

proptest! {
    #[test]
    fn values_are_whole_whatever_the_order(message in any_message(), repeats in any::<bool>()) {
        let ValuesInParts { values, pieces, early } = message;
        let mut reassembly = reassembly();
        let mut completed = None;
        let announce = |reassembly: &mut Reassembly<u32, _>| {
            let slots = values.iter().map(|value| match value.len() {
                0 => Slot::Embedded,
                size => Slot::Announced(size),
            });
            reassembly.announce(millis(0), key(1, 1), slots, "message")
        };
        for (count, (index, offset, len)) in pieces.iter().copied().enumerate() {
            if count == early {
                completed = announce(&mut reassembly);
            }
            prop_assert_eq!(&completed, &None);
            let data = &values[index][offset..offset + len];
            completed = reassembly.part(millis(0), key(1, 1), &part(index, offset, data));
            if repeats && completed.is_none() {
                prop_assert_eq!(reassembly.part(millis(0), key(1, 1), &part(index, offset, data)), None);
            }
        }
        if early == pieces.len() {
            completed = announce(&mut reassembly);
        }
        let expected: Vec<_> = values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_empty())
            .map(|(index, value)| (index, Bytes::copy_from_slice(value)))
            .collect();
        prop_assert_eq!(completed, Some(Completed { context: "message", values: expected }));
        prop_assert!(reassembly.sessions.is_empty());
        check_bounds(&reassembly, Usage { sessions: 256, bytes: 16 << 20 });
    }

    #[test]
    fn hostile_parts_stay_within_bounds(
        steps in prop::collection::vec(
            (0..6u8, 0..4u32, 0..3usize, prop_oneof![0..200usize, Just(usize::MAX)], 0..200usize, 0..800u64, any::<bool>()),
            0..200,
        ),
    ) {
        let mut reassembly = bounded();
        let mut now = millis(0);
        for (host, transaction, index, offset, len, wait, announces) in steps {
            now = now + Duration::from_millis(wait);
            let key = key(host, transaction);
            if announces {
                let slots = (0..index).map(|_| Slot::Announced(offset));
                let _ = reassembly.announce(now, key, slots, "");
            } else if let Some(completed) = reassembly.part(now, key, &part(index, offset, &vec![1; len])) {
                prop_assert!(completed.values.iter().all(|(_, value)| value.len() < 200));
            }
            check_bounds(&reassembly, BOUNDS);
            prop_assert!(reassembly.next_deadline().is_none_or(|at| at > now && at <= now + Duration::from_secs(3)));
        }
        reassembly.expire(now + Duration::from_secs(3));
        prop_assert!(reassembly.sessions.is_empty() && reassembly.next_deadline().is_none());
    }
}

#[test]
fn parts_that_overlap_or_lie_outside_are_dropped() {
    let mut reassembly = reassembly();
    let slots = [Slot::Announced(6), Slot::Embedded];
    assert_eq!(reassembly.announce(millis(0), key(1, 1), slots, ""), None);
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 2, b"cd")),
        None
    );
    for lie in [
        part(0, 0, b"XXX"),
        part(0, 1, b"XX"),
        part(0, 1, b"XXXX"),
        part(0, 2, b"X"),
        part(0, 3, b"X"),
        part(0, 3, b"XXX"),
        part(0, 4, b"XXX"),
        part(0, 6, b"X"),
        part(0, usize::MAX, b"X"),
        part(0, 4, b""),
        part(1, 0, b"X"),
        part(2, 0, b"X"),
        part(usize::MAX, 0, b"X"),
    ] {
        assert_eq!(reassembly.part(millis(0), key(1, 1), &lie), None, "{lie:?}");
    }
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 4, b"ef")),
        None
    );
    let completed = reassembly
        .part(millis(0), key(1, 1), &part(0, 0, b"ab"))
        .unwrap();
    assert_eq!(completed.values, [(0, "abcdef".into())]);
}

#[test]
fn early_parts_that_the_announcement_belies_are_dropped() {
    let mut reassembly = reassembly();
    for lie in [part(0, 2, b"too far"), part(1, 0, b"no such value")] {
        assert_eq!(reassembly.part(millis(0), key(1, 1), &lie), None);
    }
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 0, b"ab")),
        None
    );
    assert!(!reassembly.is_announced(&key(1, 1)));
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(4)], ""),
        None
    );
    assert!(reassembly.is_announced(&key(1, 1)));
    let completed = reassembly
        .part(millis(0), key(1, 1), &part(0, 2, b"cd"))
        .unwrap();
    assert_eq!(completed.values, [(0, "abcd".into())]);
}

#[test]
fn sender_and_transaction_must_both_match() {
    let mut reassembly = reassembly();
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(1)], ""),
        None
    );
    for other in [key(1, 2), key(2, 1)] {
        assert_eq!(reassembly.part(millis(0), other, &part(0, 0, b"X")), None);
    }
    assert!(
        reassembly
            .part(millis(0), key(1, 1), &part(0, 0, b"a"))
            .is_some()
    );
}

#[test]
fn a_repeated_announcement_is_ignored_while_the_session_lives() {
    let mut reassembly = reassembly();
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(2)], "first"),
        None
    );
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 0, b"a")),
        None
    );
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(1)], "second"),
        None
    );
    let completed = reassembly
        .part(millis(0), key(1, 1), &part(0, 1, b"b"))
        .unwrap();
    assert_eq!(completed.context, "first");
}

#[test]
fn a_message_without_missing_parts_is_complete_at_once() {
    let mut reassembly = reassembly();
    // A size above the greatest, or of nothing, is as if absent.
    let slots = [
        Slot::Embedded,
        Slot::Announced(MAX_VALUE_BYTES + 1),
        Slot::Announced(0),
    ];
    let completed = reassembly
        .announce(millis(0), key(1, 1), slots, "all here")
        .unwrap();
    assert_eq!((completed.context, completed.values), ("all here", vec![]));
    assert!(reassembly.sessions.is_empty());
}

#[test]
fn the_greatest_value_comes_through() {
    let value: Vec<_> = (0..MAX_VALUE_BYTES).map(|i| (i % 251) as u8).collect();
    let mut reassembly = reassembly();
    let slots = [Slot::Announced(value.len())];
    let mut completed = reassembly.announce(millis(0), key(1, 1), slots, "");
    for (number, data) in value.chunks(1_280).enumerate() {
        assert_eq!(completed, None);
        completed = reassembly.part(millis(0), key(1, 1), &part(0, number * 1_280, data));
    }
    assert_eq!(completed.unwrap().values, [(0, value.into())]);
}

#[test]
fn a_session_ends_three_seconds_after_its_last_useful_part() {
    let mut reassembly = reassembly();
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(9)], ""),
        None
    );
    assert_eq!(
        reassembly.part(millis(2_900), key(1, 1), &part(0, 0, b"a")),
        None
    );
    assert_eq!(reassembly.next_deadline(), Some(millis(5_900)));
    assert_eq!(
        reassembly.part(millis(5_000), key(1, 1), &part(0, 0, b"a")),
        None
    );
    assert_eq!(reassembly.next_deadline(), Some(millis(5_900)));
    reassembly.expire(millis(5_899));
    assert!(reassembly.is_announced(&key(1, 1)));
    // The part that comes too late finds no session and begins one of its own.
    assert_eq!(
        reassembly.part(millis(5_900), key(1, 1), &part(0, 1, b"bcdefghi")),
        None
    );
    assert!(!reassembly.is_announced(&key(1, 1)));
}

#[test]
fn a_session_ends_ten_seconds_after_its_beginning() {
    let mut reassembly = reassembly();
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(99)], ""),
        None
    );
    for second in 1..10 {
        let at = millis(1_000 * second as u64);
        assert_eq!(reassembly.part(at, key(1, 1), &part(0, second, b"x")), None);
    }
    assert_eq!(reassembly.next_deadline(), Some(millis(10_000)));
    reassembly.expire(millis(10_000));
    assert_eq!(reassembly.next_deadline(), None);
}

#[test]
fn early_parts_are_few_and_small() {
    let mut reassembly = reassembly();
    for index in 0..200 {
        assert_eq!(
            reassembly.part(millis(0), key(1, 1), &part(index, 0, b"x")),
            None
        );
        assert_eq!(
            reassembly.part(millis(0), key(2, 1), &part(index, 0, &[0; 1_500])),
            None
        );
    }
    assert_eq!(reassembly.sessions[&key(1, 1)].usage().bytes, 98 * (64 + 1));
    assert_eq!(
        reassembly.sessions[&key(2, 1)].usage().bytes,
        122_912 / 1_500 * (64 + 1_500)
    );
}

#[test]
fn memory_follows_what_arrived_and_not_what_was_promised() {
    let mut reassembly = reassembly();
    let slots = [Slot::Announced(MAX_VALUE_BYTES); 100];
    assert_eq!(reassembly.announce(millis(0), key(1, 1), slots, ""), None);
    assert_eq!(reassembly.sessions[&key(1, 1)].usage().bytes, 400);
}

#[test]
fn one_source_has_a_quarter_of_the_sessions() {
    let mut reassembly = bounded();
    for transaction in 0..8 {
        assert_eq!(
            reassembly.announce(millis(0), key(1, transaction), [Slot::Announced(9)], ""),
            None
        );
    }
    assert_eq!(reassembly.sessions.len(), 2);
    assert_eq!(
        reassembly.announce(millis(0), key(2, 1), [Slot::Announced(9)], ""),
        None
    );
    assert!(reassembly.is_announced(&key(2, 1)));
}

#[test]
fn one_source_has_a_quarter_of_the_bytes_and_keeps_what_it_has() {
    let mut reassembly = bounded();
    assert_eq!(
        reassembly.announce(millis(0), key(1, 1), [Slot::Announced(2_000)], ""),
        None
    );
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 0, &[1; 900])),
        None
    );
    assert_eq!(
        reassembly.part(millis(0), key(1, 1), &part(0, 900, &[1; 900])),
        None
    );
    assert_eq!(reassembly.sessions[&key(1, 1)].usage().bytes, 4 + 64 + 900);
}

#[test]
fn strays_give_way_to_announced_sessions_and_not_to_strays() {
    let mut reassembly = bounded();
    for host in 0..9 {
        assert_eq!(
            reassembly.part(millis(host.into()), key(host, 1), &part(0, 0, b"x")),
            None
        );
    }
    let hosts: Vec<_> = reassembly
        .sessions
        .keys()
        .map(|key| key.from.ip())
        .collect();
    assert_eq!(
        hosts,
        [0, 1, 2, 3, 4, 5, 6, 7].map(|host| key(host, 1).from.ip())
    );
    for host in 20..30 {
        assert_eq!(
            reassembly.announce(millis(10), key(host, 1), [Slot::Announced(1)], ""),
            None
        );
    }
    // Announced sessions give way to each other where one source has no more than others, too.
    assert!(reassembly.is_announced(&key(29, 1)));
    assert_eq!(reassembly.sessions.len(), 8);
    let announced = reassembly
        .sessions
        .keys()
        .filter(|it| reassembly.is_announced(it));
    assert_eq!(announced.count(), 8);
}

#[test]
fn a_network_that_has_most_sessions_gives_way_with_the_one_that_has_come_least() {
    let mut reassembly = bounded();
    let from = |ip: [u8; 4], transaction| Key::new((ip, 4222).into(), transaction);
    let slots = || [Slot::Announced(9)];
    for host in 0..4 {
        let key = from([198, 51, 100, host], 1);
        assert_eq!(reassembly.announce(millis(0), key, slots(), ""), None);
        let bytes = part(0, 0, &[1; 8][..=usize::from(host)]);
        assert_eq!(reassembly.part(millis(0), key, &bytes), None);
    }
    for number in 0..4 {
        let key = from([203, 0, number, 1], 1);
        assert_eq!(reassembly.announce(millis(0), key, slots(), ""), None);
    }
    let comer = from([192, 0, 2, 1], 1);
    assert_eq!(reassembly.announce(millis(1), comer, slots(), ""), None);
    assert!(reassembly.is_announced(&comer));
    let left = (0..4).filter(|host| reassembly.is_announced(&from([198, 51, 100, *host], 1)));
    assert_eq!(left.count(), 3);
    let others = (0..4).filter(|it| reassembly.is_announced(&from([203, 0, *it, 1], 1)));
    assert_eq!(others.count(), 4);
    check_bounds(&reassembly, BOUNDS);
}

#[test]
fn strays_give_way_to_announced_sessions_of_their_own_source() {
    let mut reassembly = bounded();
    for transaction in 0..9 {
        let stray = part(0, 0, b"x");
        assert_eq!(
            reassembly.part(millis(0), key(1, transaction), &stray),
            None
        );
    }
    assert_eq!(reassembly.sessions.len(), 2, "a quarter");
    let announced = key(1, 9);
    let slots = [Slot::Announced(2)];
    assert_eq!(reassembly.announce(millis(1), announced, slots, "a"), None);
    let values = reassembly.part(millis(2), announced, &part(0, 0, b"ab"));
    assert_eq!(values.map(|completed| completed.context), Some("a"));
    check_bounds(&reassembly, BOUNDS);
}

#[test]
fn a_message_that_is_complete_is_remembered() {
    let mut reassembly = reassembly();
    let (one, other) = (key(1, 1), key(1, 2));
    let slots = [Slot::Announced(2)];
    assert_eq!(reassembly.announce(millis(0), one, slots, "a"), None);
    assert!(!reassembly.is_completed(&one));
    assert!(
        reassembly
            .part(millis(1), one, &part(0, 0, b"ab"))
            .is_some()
    );
    assert!(reassembly.is_completed(&one) && !reassembly.is_completed(&other));
    for transaction in 10..10 + MAX_COMPLETED as u32 {
        let key = key(1, transaction);
        assert_eq!(reassembly.announce(millis(2), key, slots, "b"), None);
        assert!(
            reassembly
                .part(millis(2), key, &part(0, 0, b"ab"))
                .is_some()
        );
    }
    assert!(!reassembly.is_completed(&one), "their number is bounded");
}
