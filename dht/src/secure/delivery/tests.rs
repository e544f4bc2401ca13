use super::*;
use crate::secure::testing::{alice, bob, signed};

const OP: OpId = OpId(1);

fn delivery() -> Delivery {
    let mut delivery = Delivery::new(16);
    delivery.open(OP, None);
    delivery
}

fn passed(value: &Value) -> Slot {
    Slot::judged(
        value.clone(),
        &Verdict::Signed(alice().public_key().clone()),
    )
}

fn ids(delivery: Option<Delivered>) -> Vec<(u64, u16)> {
    match delivery {
        Some(Delivered::Values(_, values)) => values
            .iter()
            .map(|value| (value.id().0, value.seq()))
            .collect(),
        other => panic!("no values: {other:?}"),
    }
}

#[test]
fn values_come_out_in_order_and_the_end_after_the_last_verdict() {
    let mut delivery = delivery();
    let value = signed(&alice(), 1, 0, "slow");
    let position = delivery.next_position(OP).unwrap();
    delivery.append(OP, BatchChange::Found, vec![Slot::Waiting(value.clone())]);
    delivery.append(
        OP,
        BatchChange::Found,
        vec![passed(&signed(&alice(), 2, 0, "fast"))],
    );
    assert!(delivery.end(OP, GetReport::default()));
    assert_eq!(delivery.poll(OP, UnixTime::default()), None);

    delivery.settle(position, &Verdict::Signed(alice().public_key().clone()));
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 0)]);
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(2, 0)]);
    let report = GetReport::default();
    let dropped = 0;
    assert_eq!(
        delivery.poll(OP, UnixTime::default()),
        Some(Delivered::Done { report, dropped })
    );
    assert_eq!(delivery.poll(OP, UnixTime::default()), None);
}

#[test]
fn dropped_values_are_counted() {
    let mut delivery = delivery();
    let position = delivery.next_position(OP).unwrap();
    let value = signed(&alice(), 1, 0, "forged");
    delivery.append(
        OP,
        BatchChange::Found,
        vec![Slot::Waiting(value), Slot::Refused],
    );
    delivery.settle(position, &Verdict::Refused);
    delivery.end(OP, GetReport::default());
    let report = GetReport::default();
    let dropped = 2;
    assert_eq!(
        delivery.poll(OP, UnixTime::default()),
        Some(Delivered::Done { report, dropped })
    );
}

#[test]
fn no_edition_follows_a_newer_one_of_the_same_signer() {
    let mut delivery = delivery();
    let (old, new) = (signed(&alice(), 1, 3, "old"), signed(&alice(), 1, 4, "new"));
    let of_bob = signed(&bob(), 1, 0, "mine");
    for value in [&old, &new, &old] {
        delivery.append(OP, BatchChange::Found, vec![passed(value)]);
    }
    let verdict = Verdict::Signed(bob().public_key().clone());
    delivery.append(OP, BatchChange::Found, vec![Slot::judged(of_bob, &verdict)]);
    delivery.append(OP, BatchChange::Expired, vec![passed(&old)]);
    delivery.append(OP, BatchChange::Expired, vec![passed(&new)]);
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 3)]);
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 4)]);
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 0)]);
    assert_eq!(ids(delivery.poll(OP, UnixTime::default())), [(1, 4)]);
    assert_eq!(delivery.poll(OP, UnixTime::default()), None);
}

#[test]
fn a_closed_operation_is_told_nothing() {
    let mut delivery = delivery();
    let position = delivery.next_position(OP).unwrap();
    delivery.append(
        OP,
        BatchChange::Found,
        vec![Slot::Waiting(signed(&alice(), 1, 0, "x"))],
    );
    delivery.close(OP);
    delivery.settle(position, &Verdict::Refused);
    assert!(!delivery.end(OP, GetReport::default()));
    assert_eq!(delivery.poll(OP, UnixTime::default()), None);
}
