//! Values and fields by condition.

use bulla::{Config, Dht, Draft, Query, ValueId};

use crate::{
    environment::releases,
    key,
    local::{acknowledged, address, client, crowd, identity, in_time, join},
    peer::{OpenDht, Options},
};

/// Puts three clear values, one of them of another user type, and a signed one.
async fn put_all(writer: &Dht, key: &str) {
    for (id, user_type) in [(5, "odd"), (6, "even"), (7, "odd")] {
        let draft = Draft::from(user_type).id(ValueId(id)).user_type(user_type);
        acknowledged(writer.put(key, draft)).await;
    }
    acknowledged(writer.put_signed(key, "signed").id(ValueId(8))).await;
}

fn query(text: &str) -> Query {
    text.parse().unwrap()
}

#[tokio::test]
async fn opendht_answers_the_conditions_and_selections_of_bulla() {
    for &release in releases() {
        let opendht = OpenDht::spawn(release, Options::default()).await;
        let alice = identity("alice");
        let owner = alice.id();
        let writer = join(client().identity(alice), opendht.node.address).await;
        let key = key("numbers");
        put_all(&writer, &key).await;
        let reader = join(client(), opendht.node.address).await;
        let by_owner = format!("WHERE owner_pk={owner}");
        for (text, ids) in [
            ("", &[5, 6, 7, 8][..]),
            ("WHERE id=6", &[6]),
            ("WHERE user_type=odd", &[5, 7]),
            ("WHERE user_type=odd,id=7", &[7]),
            ("WHERE value_type=0", &[5, 6, 7, 8]),
            ("WHERE value_type=3", &[]),
            (&by_owner, &[8]),
        ] {
            let values = in_time("a get", reader.get_where(&*key, query(text)).all()).await;
            let mut found: Vec<_> = values.unwrap().iter().map(|value| value.id().0).collect();
            found.sort_unstable();
            assert_eq!(found, ids, "{release:?}: {text}");

            let fields = query(&format!("SELECT id,user_type,seq {text}"));
            let rows = in_time("a query", reader.query(&*key, fields))
                .await
                .unwrap();
            let mut found: Vec<_> = rows.iter().filter_map(|row| Some(row.id?.0)).collect();
            found.sort_unstable();
            assert_eq!(found, ids, "{release:?}: {text}");
            assert!(
                rows.iter()
                    .all(|row| row.user_type.is_some() && row.owner.is_none())
            );
        }
    }
}

#[tokio::test]
async fn bulla_answers_the_conditions_of_opendht() {
    for &release in releases() {
        let key = key("numbers");
        let crowd = crowd(&Config::default(), &key).await;
        let alice = identity("alice");
        let owner = alice.id();
        let writer = join(client().identity(alice), address(&crowd[0])).await;
        put_all(&writer, &key).await;
        let options = Options::default().bootstrap(address(&crowd[1]));
        let by_owner = format!("WHERE owner_pk={owner}");
        // Kept until the end, so that no node waits for replies of one that is gone.
        let mut readers = Vec::new();
        for (text, ids) in [
            ("", &[5, 6, 7, 8][..]),
            ("WHERE id=6", &[6]),
            ("WHERE user_type=odd", &[5, 7]),
            ("WHERE user_type=odd,id=7", &[7]),
            ("WHERE value_type=0", &[5, 6, 7, 8]),
            ("WHERE value_type=3", &[]),
            (&by_owner, &[8]),
        ] {
            // A node that has asked for more before would answer from what it remembers.
            let reader = OpenDht::spawn(release, options).await;
            let found = reader.get_where(&key, text).await;
            let found: Vec<_> = found.iter().map(|value| value.id).collect();
            assert_eq!(found, ids, "{release:?}: {text}");
            readers.push(reader);
        }
    }
}
