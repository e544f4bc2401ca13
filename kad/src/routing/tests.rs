use proptest::prelude::*;

use crate::{Prefix, Scope};

use super::*;

const OWN: Id<20> = Id::new([0x55; 20]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

fn table(bootstrap_mode: bool) -> Table<20> {
    let config = RoutingConfig {
        bootstrap_mode,
        ..RoutingConfig::default()
    };
    Table::new(OWN, &config)
}

/// A contact in a network of its own, with an id that shares exactly `prefix` bits with our own;
/// `number` makes the rest, the address and the port.
fn contact(prefix: usize, number: u16) -> Contact<20> {
    let rest = Id::of(&number.to_be_bytes());
    let shared = (0..prefix).fold(rest, |id, bit| id.with_bit(bit, OWN.bit(bit)));
    let id = shared.with_bit(prefix, !OWN.bit(prefix));
    let [high, low] = number.to_be_bytes();
    Contact::new(id, ([11, high, low, 1], number).into())
}

/// The same at another address, of a few networks.
fn at_host(contact: Contact<20>, host: u8) -> Contact<20> {
    let ip = if host < 8 {
        [192, 0, 2, host / 2]
    } else if host < 24 {
        [198, 51, host / 8, host]
    } else {
        [10, 0, 0, host]
    };
    Contact::new(contact.id, (ip, contact.addr.port()).into())
}

/// Eight good contacts of prefix 0, which fill the far half after the first split, and one near us
/// that causes it.
fn full_far_bucket(now: Timestamp) -> Table<20> {
    let mut table = table(false);
    for number in 1..=8 {
        let _ = table.on_seen(contact(0, number), Confidence::Replied, now);
    }
    let _ = table.on_seen(contact(3, 9), Confidence::Replied, now);
    assert_eq!(table.buckets.len(), 2);
    table
}

fn brute_force(
    table: &Table<20>,
    target: &Id<20>,
    count: usize,
    now: Timestamp,
) -> Vec<Contact<20>> {
    let mut good: Vec<_> = table
        .entries(now)
        .filter(|line| line.standing == Standing::Good)
        .map(|line| line.contact)
        .collect();
    good.sort_by_key(|contact| contact.id.distance(target));
    good.truncate(count);
    good
}

fn check_invariants(table: &Table<20>) {
    assert_eq!(table.buckets[0].first, Id::ZERO);
    for (index, bucket) in table.buckets.iter().enumerate() {
        // Every bucket ends where the next one begins, the last at the end of the space.
        let last =
            (bucket.depth..Id::<20>::BITS).fold(bucket.first, |id, bit| id.with_bit(bit, true));
        match table.buckets.get(index + 1) {
            Some(next) => assert_eq!(successor(last), next.first),
            None => assert_eq!(last, Id::new([0xff; 20])),
        }
        assert!(bucket.entries.len() <= table.bucket_size);
        for (place, entry) in bucket.entries.iter().enumerate() {
            let id = *entry.id();
            assert!(bucket.covers(&id) && id != table.own);
            assert!(
                bucket.entries[..place]
                    .iter()
                    .all(|other| *other.id() != id)
            );
        }
        assert!(
            bucket
                .candidate
                .is_none_or(|waiting| bucket.covers(&waiting.id))
        );
    }
}

/// Checks that the counts are right, and that all public addresses and networks keep to their
/// share.
fn check_diversity(table: &Table<20>) {
    let counted = || table.iter().filter(|entry| !entry.is_expired());
    table.diversity.check(counted().map(Entry::ip));
    for ip in counted().map(Entry::ip) {
        if Scope::of(ip) != Scope::Public {
            continue;
        }
        let share = |prefix: Prefix| counted().filter(|it| prefix.contains(it.ip())).count();
        assert!(share(Prefix::address(ip)) <= 2);
        assert!(share(Prefix::network(ip)) <= 8);
    }
}

fn successor(id: Id<20>) -> Id<20> {
    let mut bytes = *id.as_bytes();
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    Id::new(bytes)
}

#[derive(Clone, Debug)]
enum Step {
    Seen(Contact<20>, Confidence),
    Failed(Contact<20>),
    Wait(u64),
    Purge,
    Reset,
    Restore(Contact<20>),
}

fn any_contact() -> impl Strategy<Value = Contact<20>> {
    (0..12usize, 0..40u16, 0..2u16, 0..28u8).prop_map(|(prefix, number, port, host)| {
        let mut contact = at_host(contact(prefix, number), host);
        contact.addr.set_port(1 + port);
        contact
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let confidence = prop::sample::select(vec![
        Confidence::Named,
        Confidence::Sent,
        Confidence::Replied,
        Confidence::Replied,
    ]);
    prop_oneof![
        40 => (any_contact(), confidence).prop_map(|(contact, sign)| Step::Seen(contact, sign)),
        5 => any_contact().prop_map(Step::Failed),
        2 => (0..900u64).prop_map(Step::Wait),
        1 => Just(Step::Purge),
        1 => Just(Step::Reset),
        1 => any_contact().prop_map(Step::Restore),
    ]
}

proptest! {
    #[test]
    fn the_table_keeps_its_invariants(
        steps in prop::collection::vec(any_step(), 0..400),
        bootstrap_mode in any::<bool>(),
        targets in prop::collection::vec(any_contact(), 3),
        count in 0..20usize,
    ) {
        let mut table = table(bootstrap_mode);
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Seen(contact, confidence) => {
                    let before = brute_force(&table, &OWN, usize::MAX, now);
                    let _ = table.on_seen(contact, confidence, now);
                    let after = brute_force(&table, &OWN, usize::MAX, now);
                    for good in before {
                        prop_assert!(after.contains(&good), "{good} lost its place");
                    }
                }
                Step::Failed(contact) => table.on_failure(&contact),
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Purge => drop(table.purge()),
                Step::Reset => table.reset(),
                Step::Restore(contact) => {
                    table.restore(contact, now);
                }
            }
        }
        check_invariants(&table);
        check_diversity(&table);
        for target in targets {
            let nearest = brute_force(&table, &target.id, count, now);
            prop_assert_eq!(&table.closest(&target.id, count, now), &nearest);
            let least = 3.min(count);
            let ours = OWN.distance(&target.id);
            let is_nearer = |near: &Contact<20>| near.id.distance(&target.id) < ours;
            let is_surrounded = nearest.len() >= least && nearest.iter().all(is_nearer);
            prop_assert_eq!(table.is_surrounded(&target.id, least, count, now), is_surrounded);
        }
        let counts = table.counts(now);
        prop_assert_eq!(table.contacts(now).len(), counts.good);
        prop_assert_eq!(table.candidates(&OWN, usize::MAX).len(), counts.good + counts.dubious);
        prop_assert!(counts.incoming <= counts.good);
    }
}

#[test]
fn full_bucket_keeps_old_good_entry() {
    let mut table = full_far_bucket(at(0));
    let newcomer = contact(0, 100);
    let update = table.on_seen(newcomer, Confidence::Replied, at(1));
    let refused = SeenUpdate {
        growth: Growth::Refused,
        ..SeenUpdate::default()
    };
    assert_eq!(update, refused);
    assert!(!table.closest(&newcomer.id, 20, at(1)).contains(&newcomer));
    assert_eq!(table.counts(at(1)).cached, 1);
}

#[test]
fn where_a_place_is_wanted_the_silent_are_pinged_one_by_one() {
    let mut table = full_far_bucket(at(0));
    let late = at(601);
    let mut pinged = Vec::new();
    for number in 100..110 {
        let update = table.on_seen(contact(0, number), Confidence::Sent, late);
        assert_eq!(update.growth, Growth::Refused);
        pinged.extend(update.ping);
    }
    let old: Vec<_> = (1..=8).map(|number| contact(0, number)).collect();
    assert_eq!(pinged, old);
}

#[test]
fn an_expired_contact_makes_way_at_once() {
    let mut table = full_far_bucket(at(0));
    table.on_failure(&contact(0, 4));
    let update = table.on_seen(contact(0, 100), Confidence::Sent, at(1));
    assert_eq!(update.growth, Growth::Added);
    let known = table.candidates(&OWN, 20);
    assert!(known.contains(&contact(0, 100)) && !known.contains(&contact(0, 4)));
}

#[test]
fn the_place_of_a_contact_goes_to_another_address_only_when_it_has_failed() {
    let mut table = full_far_bucket(at(0));
    let all = table.contacts(at(1));
    let elsewhere = |contact: &Contact<20>| at_host(*contact, 1);
    for contact in &all {
        let update = table.on_seen(elsewhere(contact), Confidence::Sent, at(60));
        let expected = SeenUpdate {
            growth: Growth::None,
            ping: Some(*contact),
            successor: Some(elsewhere(contact).addr),
        };
        assert_eq!(update, expected);
        for confidence in [Confidence::Sent, Confidence::Replied] {
            let again = table.on_seen(elsewhere(contact), confidence, at(60));
            assert_eq!(again, SeenUpdate::default(), "it is being asked");
        }
    }
    assert_eq!(table.contacts(at(61)), all);
    table.on_failure(&all[0]);
    let update = table.on_seen(elsewhere(&all[0]), Confidence::Replied, at(62));
    assert_ne!(update.growth, Growth::None);
    assert!(table.contacts(at(62)).contains(&elsewhere(&all[0])));
    assert!(!table.contacts(at(62)).contains(&all[0]));
    assert!(
        all[1..]
            .iter()
            .all(|it| table.contacts(at(62)).contains(it))
    );
}

#[test]
fn what_comes_in_the_name_of_a_contact_that_failed_does_not_make_it_good() {
    let mut table = full_far_bucket(at(0));
    let dead = contact(0, 4);
    table.on_failure(&dead);
    let standing = |table: &Table<20>| {
        let mut entries = table.entries(at(1));
        entries.find(|it| it.contact == dead).map(|it| it.standing)
    };
    let _ = table.on_seen(dead, Confidence::Named, at(1));
    assert_eq!(standing(&table), Some(Standing::Expired));
    let update = table.on_seen(dead, Confidence::Sent, at(1));
    assert_ne!(update.growth, Growth::None, "it is asked as a new one is");
    assert_eq!(standing(&table), Some(Standing::Dubious));
    let _ = table.on_seen(dead, Confidence::Replied, at(1));
    assert_eq!(standing(&table), Some(Standing::Good));
}

#[test]
fn a_contact_that_answers_not_one_request_but_another_sent_later_is_there() {
    let mut table = full_far_bucket(at(0));
    let (slow, dead) = (contact(0, 4), contact(0, 5));
    let _ = table.on_seen(slow, Confidence::Replied, at(2));
    let _ = table.on_seen(dead, Confidence::Sent, at(2));
    assert!(!table.on_no_reply(&slow, at(1)));
    assert!(table.on_no_reply(&dead, at(1)));
    let good = table.closest(&slow.id, 20, at(3));
    assert!(good.contains(&slow) && !good.contains(&dead));
    assert!(table.on_no_reply(&slow, at(2)));
}

#[test]
fn purging_frees_places_and_returns_the_contacts_that_wait_for_them() {
    let mut table = full_far_bucket(at(0));
    let waiting = contact(0, 100);
    let _ = table.on_seen(waiting, Confidence::Sent, at(1));
    assert_eq!(table.purge(), []);
    table.on_failure(&contact(0, 4));
    assert_eq!(table.purge(), [waiting]);
    assert_eq!(table.purge(), []);
    assert_eq!(table.entries(at(1)).count(), 8);
}

#[test]
fn a_waiting_contact_that_does_not_answer_is_forgotten() {
    let mut table = full_far_bucket(at(0));
    let _ = table.on_seen(contact(0, 100), Confidence::Sent, at(1));
    table.on_failure(&contact(0, 100));
    assert_eq!(table.counts(at(1)).cached, 0);
}

#[test]
fn after_an_outage_of_ours_the_old_contacts_are_still_there() {
    let mut table = full_far_bucket(at(0));
    let all = table.contacts(at(0));
    for contact in &all {
        table.on_failure(contact);
    }
    assert_eq!(table.candidates(&OWN, 20), []);
    assert_eq!(table.purge(), []);
    table.reset();
    assert_eq!(table.candidates(&OWN, 20), all);
    assert_eq!(table.counts(at(1)).good, 0);
}

#[test]
fn the_own_bucket_splits_as_long_as_all_in_it_are_good() {
    let mut table = table(false);
    for number in 0..200 {
        let _ = table.on_seen(
            contact(usize::from(number) / 10, number),
            Confidence::Replied,
            at(0),
        );
    }
    assert_eq!(table.depth(), 20);
    assert_eq!(table.buckets.len(), 21);
    let _ = table.on_seen(contact(30, 999), Confidence::Replied, at(0));
    for number in 1_000..1_020 {
        let _ = table.on_seen(contact(30, number), Confidence::Replied, at(601));
    }
    assert_eq!(table.depth(), 20, "a dubious one in it stops the splitting");
}

#[test]
fn splitting_pings_the_contact_that_waits() {
    let mut table = full_far_bucket(at(0));
    for number in 10..17 {
        let _ = table.on_seen(contact(3, number), Confidence::Sent, at(0));
    }
    let (waiting, next) = (contact(3, 20), contact(3, 21));
    let pinged = table.on_seen(waiting, Confidence::Sent, at(0)).ping;
    assert_eq!(pinged, Some(contact(3, 10)));
    for number in 10..17 {
        let _ = table.on_seen(contact(3, number), Confidence::Replied, at(1));
    }
    assert_eq!(
        table.on_seen(next, Confidence::Sent, at(1)).ping,
        Some(waiting)
    );
    assert!(table.depth() > 1);
}

#[test]
fn a_bootstrap_node_keeps_more_of_the_far_contacts() {
    let contacts = || (0..500).map(|number| contact(0, number));
    let size = |mut table: Table<20>| {
        for contact in contacts() {
            let _ = table.on_seen(contact, Confidence::Replied, at(0));
        }
        table.entries(at(0)).count()
    };
    assert_eq!(size(table(false)), 8);
    // All 32 buckets of depth 6 in the far half.
    assert_eq!(size(table(true)), 32 * 8);
}

#[test]
fn own_and_zero_ids_are_never_entered() {
    let mut table = table(false);
    for id in [OWN, Id::ZERO] {
        let contact = Contact::new(id, ([10, 0, 0, 1], 1).into());
        assert_eq!(
            table.on_seen(contact, Confidence::Replied, at(0)),
            SeenUpdate::default()
        );
    }
    assert_eq!(table.entries(at(0)).count(), 0);
}

#[test]
fn the_first_contact_after_a_long_time_is_told_apart() {
    let mut table = table(false);
    let mut growth = |number, seconds| {
        table
            .on_seen(contact(0, number), Confidence::Sent, at(seconds))
            .growth
    };
    assert_eq!(growth(1, 0), Growth::AfterPause);
    assert_eq!(growth(2, 300), Growth::Added);
    assert_eq!(growth(2, 900), Growth::None);
    assert_eq!(growth(3, 901), Growth::AfterPause);
}

#[test]
fn after_a_restart_each_is_asked_once_and_some_of_every_bucket_first() {
    let mut table = table(false);
    let saved: Vec<_> = (0..24)
        .map(|number| contact(usize::from(number / 8), number))
        .collect();
    assert!(saved.iter().all(|contact| table.restore(*contact, at(0))));
    assert!(!table.restore(saved[0], at(0)), "known");
    let first = table.ask_unverified(6, at(0));
    assert_eq!(first.len(), 6);
    for prefix in 0..3 {
        let there = first
            .iter()
            .filter(|contact| saved[prefix * 8..][..8].contains(contact));
        assert!(there.count() >= 2, "{first:?}");
    }
    let _ = table.on_seen(first[0], Confidence::Replied, at(1));
    let rest = table.ask_unverified(100, at(1));
    assert_eq!(rest.len(), 18);
    assert!(first.iter().all(|contact| !rest.contains(contact)));
    assert_eq!(
        table.ask_unverified(100, at(11)).len(),
        23,
        "all but the one that answered"
    );
}

#[test]
fn counts_tell_contacts_that_reach_us_from_those_that_only_reply() {
    let mut table = table(false);
    let _ = table.on_seen(contact(0, 1), Confidence::Replied, at(0));
    let _ = table.on_seen(contact(0, 2), Confidence::Replied, at(0));
    let _ = table.on_seen(contact(0, 3), Confidence::Named, at(0));
    let _ = table.on_seen(contact(0, 4), Confidence::Named, at(0));
    let _ = table.on_seen(contact(0, 2), Confidence::Sent, at(1));
    table.on_failure(&contact(0, 4));
    let expected = Counts {
        good: 2,
        dubious: 1,
        cached: 0,
        incoming: 1,
    };
    assert_eq!(table.counts(at(1)), expected);
}

#[test]
fn the_size_of_the_network_is_guessed_well() {
    for (nodes, seeds) in [(5u64, 0..3), (3_000, 3..6), (20_000, 6..9)] {
        for seed in seeds {
            let mut rng = crate::Seed::from_number(seed).public();
            let mut table = Table::<20>::new(rng.hash(), &RoutingConfig::default());
            for _ in 1..nodes {
                let contact = Contact::new(rng.hash(), ([10, 0, 0, 1], 1).into());
                let _ = table.on_seen(contact, Confidence::Replied, at(0));
            }
            let estimate = table.size_estimate(at(0));
            assert!(
                (nodes / 3..=nodes * 3).contains(&estimate),
                "{estimate} of {nodes}"
            );
            assert!(nodes > 8 || estimate == nodes);
        }
    }
}

#[test]
fn a_part_of_the_table_is_full_or_sparse_and_known_if_all_in_it_are_good() {
    let mut table = full_far_bucket(at(0));
    let far = contact(0, 1);
    assert!(!table.is_sparse(&far.id));
    assert!(table.is_known(&far.id, at(0)));
    assert!(table.is_sparse(&OWN));
    assert!(!table.is_known(&OWN, at(0)));
    table.on_failure(&far);
    assert!(!table.is_known(&far.id, at(0)));
}

#[test]
fn where_contacts_fail_quickly_those_seen_lately_are_shared_before_the_nearest() {
    let mut table = full_far_bucket(at(0));
    for number in 10..18 {
        let _ = table.on_seen(contact(3, number), Confidence::Replied, at(300));
    }
    let target = contact(0, 1).id;
    let old: Vec<_> = (1..=8).map(|number| contact(0, number)).collect();
    let named = |table: &Table<20>| table.to_share(&target, 7, at(300));
    assert!(named(&table).iter().all(|contact| old.contains(contact)));
    assert_eq!(table.fresh(&target, 7, at(300)), None);
    for number in 100..150 {
        table.on_failure(&contact(5, number));
    }
    assert!(named(&table).iter().all(|contact| !old.contains(contact)));
    assert_eq!(table.fresh(&target, 7, at(300)), Some(named(&table)));
    // Too few of them are better than none.
    assert!(old.contains(&table.to_share(&target, 7, at(500))[0]));
}

#[test]
fn one_address_has_two_contacts_however_many_ids_it_answers_under() {
    let mut table = table(false);
    for number in 0..200 {
        let prefix = usize::from(number) % 20;
        let socket = at_host(contact(prefix, number), 1);
        let _ = table.on_seen(socket, Confidence::Replied, at(0));
    }
    assert_eq!(table.contacts(at(0)).len(), 2);
    assert_eq!(table.crowded_out(), 198);
}

#[test]
fn one_network_has_two_contacts_of_a_bucket_and_eight_in_all() {
    let mut table = table(false);
    let mut host = 0u8;
    let mut next = |prefix| {
        host += 1;
        let contact = contact(prefix, host.into());
        Contact::new(contact.id, ([192, 0, 2, host], 1).into())
    };
    for number in 0..300 {
        let diverse = contact(usize::from(number) % 20, 1_000 + number);
        let _ = table.on_seen(diverse, Confidence::Replied, at(0));
    }
    // Places are free where there is none of the bounds to keep.
    for entry in table.contacts(at(0)) {
        table.on_failure(&entry);
    }
    for prefix in 0..10 {
        for turn in 0..4 {
            let update = table.on_seen(next(prefix), Confidence::Replied, at(1));
            let is_welcome = prefix < 4 && turn < 2;
            assert_eq!(
                update.growth != Growth::Refused,
                is_welcome,
                "{prefix} {turn}"
            );
        }
    }
    assert_eq!(table.contacts(at(1)).len(), 8);
}

#[test]
fn where_nodes_share_an_address_by_right_all_are_taken_in() {
    let mut table = table(false);
    for number in 0..100 {
        let there = at_host(contact(usize::from(number) / 8, number), 24);
        let _ = table.on_seen(there, Confidence::Replied, at(0));
    }
    assert_eq!(table.contacts(at(0)).len(), 100);
}

#[test]
fn of_a_crowd_those_that_answer_take_the_places_of_those_that_never_did() {
    let mut table = table(false);
    let of_crowd = |number| at_host(contact(0, number), 1);
    for number in 1..=2 {
        let _ = table.on_seen(of_crowd(number), Confidence::Named, at(0));
    }
    let update = table.on_seen(of_crowd(3), Confidence::Sent, at(0));
    assert_eq!(update.ping, Some(of_crowd(1)), "it may be gone");
    let update = table.on_seen(of_crowd(4), Confidence::Sent, at(0));
    assert_eq!(update.ping, None, "so soon no more are searched for");
    for number in 3..=5 {
        let _ = table.on_seen(of_crowd(number), Confidence::Replied, at(1));
    }
    let mut known = table.contacts(at(1));
    known.sort_by_key(|contact| contact.addr.port());
    assert_eq!(known, [of_crowd(3), of_crowd(4)]);
    table.on_failure(&of_crowd(3));
    let _ = table.on_seen(of_crowd(5), Confidence::Replied, at(2));
    let _ = table.on_seen(of_crowd(3), Confidence::Sent, at(3));
    assert_eq!(table.counts(at(3)).good, 2);
    assert_eq!(table.counts(at(3)).dubious, 0, "its place is taken");
}

#[test]
fn what_comes_back_to_life_with_the_network_keeps_to_its_share() {
    let mut table = table(false);
    for number in 1..=4 {
        let one = at_host(contact(0, number), 1);
        let _ = table.on_seen(one, Confidence::Replied, at(0));
        if number < 4 {
            table.on_failure(&one);
        }
    }
    assert_eq!(table.entries(at(0)).count(), 4);
    table.reset();
    assert_eq!(table.entries(at(0)).count(), 2);
    check_diversity(&table);
}
