//! Parts in any order, honest or not: the assembled values are those that were sent.

use std::time::Duration;

use super::script::Script;
use crate::rpc::reassembly::{Completed, Key, MAX_VALUE_BYTES, Part, Reassembly, Slot};
use crate::{Timestamp, TransportConfig};

/// Plays messages and parts from a few senders. All parts are cut from one pattern, so that bytes
/// in a wrong place are noticed.
pub fn reassembly(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let config = TransportConfig {
        max_part_sessions: 8,
        max_part_bytes: 64 << 10,
        ..TransportConfig::default()
    };
    let mut reassembly = Reassembly::new(&config);
    let mut now = Timestamp::ZERO;
    let pattern: Vec<u8> = (0..=250).cycle().take(MAX_VALUE_BYTES).collect();
    while !script.is_over() {
        let step = script.byte();
        let key = Key {
            from: ([192, 0, 2, step & 3], 4222).into(),
            transaction: u32::from(step >> 2 & 3),
        };
        let completed = match step >> 4 {
            0..=3 => {
                let slots: Vec<_> = (0..script.byte() % 5).map(|_| slot(&mut script)).collect();
                reassembly.announce(now, key, slots.clone(), slots)
            }
            4 => {
                now = now + Duration::from_millis(script.number() as u64);
                reassembly.expire(now);
                assert!(reassembly.next_deadline().is_none_or(|at| at > now));
                None
            }
            _ => {
                let index = usize::from(script.byte() % 6);
                let offset = script.number() % MAX_VALUE_BYTES;
                let length = script.number() % 2_000;
                let data = pattern.iter().skip(offset).take(length).copied();
                let data: Vec<_> = data.collect();
                let part = Part {
                    index,
                    offset,
                    data: &data,
                };
                reassembly.part(now, key, &part)
            }
        };
        if let Some(completed) = completed {
            check(&completed, &pattern);
        }
    }
    reassembly.expire(Timestamp::MAX);
    assert_eq!(reassembly.next_deadline(), None);
}

fn slot(script: &mut Script<'_>) -> Slot {
    match script.byte() {
        0 => Slot::Embedded,
        1 => Slot::Announced(usize::MAX),
        small @ 2..128 => Slot::Announced(usize::from(small)),
        large => Slot::Announced(usize::from(large) << 5),
    }
}

/// Checks that every announced value is there, in its length and with its bytes.
fn check(completed: &Completed<Vec<Slot>>, pattern: &[u8]) {
    let expected = completed.context.iter().enumerate();
    let expected = expected.filter_map(|(index, slot)| match slot {
        Slot::Announced(size) if (1..=MAX_VALUE_BYTES).contains(size) => Some((index, *size)),
        Slot::Announced(_) | Slot::Embedded => None,
    });
    let values = completed.values.iter();
    assert!(
        values
            .map(|(index, value)| (*index, value.len()))
            .eq(expected)
    );
    for (_, value) in &completed.values {
        assert_eq!(value[..], pattern[..value.len()]);
    }
}
