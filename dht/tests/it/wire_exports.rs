//! What OpenDHT nodes export and save, and the same written by us.

use bulla_dht::wire::snapshot::{
    Record, State, export_nodes, export_state, export_values, import_nodes, import_state,
    import_values,
};
use bulla_dht::{Contact, Draft, InfoHash, UnixTime, ValueId, wire};

use crate::vectors::{bytes, entries};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[test]
fn node_lists_are_written_again_byte_for_byte() {
    for vector in entries("exports.json", "nodes") {
        let mut exported = bytes(&vector["hex"]);
        if vector["what"].as_str().unwrap().starts_with("single") {
            exported.insert(0, 0x91);
        }
        let nodes = import_nodes(&exported).unwrap();
        assert!(!nodes.is_empty());
        assert!(nodes.iter().all(|node| node.addr.ip().is_loopback()));
        assert_eq!(export_nodes(&nodes), exported, "{}", vector["what"]);
    }
}

#[test]
fn a_single_entry_names_id_and_address() {
    let entry = hex::decode("9182a26964c4140beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33a461646472c4100200107e7f0000010000000000000000").unwrap();
    let contact = Contact::new(InfoHash::of(b"foo"), "127.0.0.1:4222".parse().unwrap());
    assert_eq!(import_nodes(&entry), Ok(vec![contact]));
}

#[test]
fn values_of_both_forms_are_imported() {
    for vector in entries("exports.json", "values") {
        let records = import_values(&bytes(&vector["hex"]), NOW).unwrap();
        let ids: Vec<_> = records.iter().map(|record| record.value.id().0).collect();
        assert_eq!(ids, [77, 801, 78], "{}", vector["made_by"]);
        if vector["made_by"] == "2.4.12" {
            assert!(
                records
                    .iter()
                    .all(|record| record.created == NOW && record.expiry.is_none())
            );
            continue;
        }
        assert_eq!(
            records[0].created,
            UnixTime::from_micros(1_795_220_288_603_565)
        );
        assert_eq!(
            records[0].expiry,
            Some(UnixTime::from_micros(1_795_220_888_603_565))
        );
        assert_eq!(records[0].source, Some("127.0.0.1:14201".parse().unwrap()));
        assert_eq!(records[1].source, None);
    }
}

#[test]
fn states_of_both_versions_are_imported() {
    for vector in entries("exports.json", "state_files") {
        let state = import_state(&bytes(&vector["hex"]), NOW).unwrap();
        assert_eq!(state.id, InfoHash::new([0x2f; 20]));
        assert_eq!(
            state.nodes,
            [Contact::new(
                InfoHash::new([0x1f; 20]),
                "127.0.0.1:14419".parse().unwrap()
            )]
        );
        assert_eq!(state.records.len(), 2);
        assert_eq!(state.records[0].value.data(), b"stored by peer");
    }
}

#[test]
fn exports_are_imported_as_they_were() {
    let record = |key: &str, id, expiry, source: Option<&str>| Record {
        key: InfoHash::from_key(key),
        value: wire::pack(&Draft::from("hello"), ValueId(id)),
        created: UnixTime::from_micros(1_795_220_288_603_565),
        expiry,
        source: source.map(|addr| addr.parse().unwrap()),
    };
    let state = State {
        id: InfoHash::of(b"me"),
        nodes: vec![Contact::new(
            InfoHash::of(b"you"),
            "[2001:db8::1]:4222".parse().unwrap(),
        )],
        records: vec![
            record("one", 1, None, None),
            record(
                "one",
                2,
                Some(UnixTime::from_secs(1_795_221_000)),
                Some("1.2.3.4:5"),
            ),
            record(
                "two",
                3,
                Some(UnixTime::from_secs(1 << 33)),
                Some("[2001:db8::2]:6"),
            ),
        ],
    };
    assert_eq!(import_state(&export_state(&state), NOW), Ok(state.clone()));
    assert_eq!(
        import_values(&export_values(&state.records), NOW),
        Ok(state.records)
    );
    assert_eq!(import_nodes(&export_nodes(&[])), Ok(vec![]));
}

#[test]
fn never_is_the_last_moment_of_the_original() {
    let record = Record {
        key: InfoHash::of(b"key"),
        value: wire::pack(&Draft::from("hello"), ValueId(1)),
        created: UnixTime::from_secs(1),
        expiry: None,
        source: None,
    };
    let exported = export_values(&[record]);
    // 2^63 - 1 nanoseconds: 854,775,807 of them, and 9,223,372,036 seconds.
    let never = ((854_775_807_u64 << 34) + 9_223_372_036).to_be_bytes();
    assert!(exported.ends_with(&never));
}

#[test]
fn broken_entries_are_skipped_and_broken_files_refused() {
    let list =
        hex::decode("9501c090 82a26964c401 00a461646472c400 81a26964c0".replace(' ', "")).unwrap();
    assert_eq!(import_nodes(&list), Ok(vec![]));
    let values = hex::decode(
        "9401 9101 92c40100c401c0 92c4140000000000000000000000000000000000000000c40391920000"
            .replace(' ', ""),
    )
    .unwrap();
    assert_eq!(import_values(&values, NOW), Ok(vec![]));
    for broken in ["", "80", "81a17602", "82a17601a26964c0", "81a176"] {
        let broken = hex::decode(broken).unwrap();
        assert!(import_state(&broken, NOW).is_err());
        assert!(import_nodes(&broken).is_err());
        assert!(import_values(&broken, NOW).is_err());
    }
}
