//! Nodes with real sockets on loopback, several in one process.
//!
//! A program of its own, which starts no others: a program just started holds copies of its
//! parent's sockets until it runs its own code, and the port of a node that has ended would seem to
//! be in use.

mod bound;
mod crowded;
mod lifecycle;
mod readers;

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bulla::identity::{CertificateChain, PrivateKey};
use bulla::node::OpError;
use bulla::secure::Protection;
use bulla::{
    Builder, Change, Closed, Condition, Dht, Draft, GetError, Identity, PutError, Query,
    StartError, ValueId, ValueType,
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

static IDENTITIES: LazyLock<serde_json::Value> = LazyLock::new(|| {
    let text = include_str!("../../identity/tests/vectors/identities.json");
    serde_json::from_str(text).unwrap()
});

/// Fails a test that hangs.
async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), work)
        .await
        .expect("done in a minute")
}

fn identity(name: &str) -> Identity {
    let vectors = IDENTITIES["vectors"].as_array().unwrap();
    let mut named = vectors.iter().filter(|vector| vector["name"] == name);
    let vector = named.find(|vector| vector["made_by"] == "4.4.2").unwrap();
    let text = |field: &str| vector[field].as_str().unwrap();
    let chain = CertificateChain::from_bytes(text("certificate_chain_pem").as_bytes()).unwrap();
    let key = PrivateKey::from_pem(text("private_key_pem"), None).unwrap();
    Identity::new(key, chain).unwrap()
}

fn on(address: &str) -> Builder {
    Dht::builder().bind(address.parse().unwrap()).workers(1)
}

fn local() -> Builder {
    on("127.0.0.1:0")
}

fn peer_of(dht: &Dht) -> String {
    dht.addresses()[0].to_string()
}

/// A node that is connected with `peer`.
async fn join(builder: Builder, peer: &Dht) -> Dht {
    let dht = builder.bootstrap(peer_of(peer)).start().await.unwrap();
    dht.wait_connected().await.unwrap();
    dht
}

async fn texts(dht: &Dht, key: &str) -> Vec<String> {
    let values = dht.get_all(key).await.unwrap();
    let mut texts: Vec<_> = values
        .iter()
        .map(|value| value.text().unwrap().to_owned())
        .collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn what_one_node_puts_another_gets_in_both_address_families() {
    within(async {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let alice = on(address).start().await.unwrap();
            let bob = join(on(address), &alice).await;
            let carol = join(on(address), &alice).await;
            let placed = bob.put("greeting", "hello").await.unwrap();
            assert!(placed.report.acknowledged > 0, "{placed:?}");

            let mut values = carol.get("greeting");
            let value = values.next().await.unwrap();
            assert_eq!((value.text(), value.id()), (Ok("hello"), placed.id));
            assert_eq!(value.protection(), Protection::Clear);
            assert_eq!(values.next().await, None);
            assert!(values.report().unwrap().answered > 0);
            assert_eq!((values.error(), values.dropped()), (None, 0));
        }
    })
    .await;
}

#[tokio::test]
async fn values_of_sixty_thousand_bytes_travel_in_parts() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = join(local(), &alice).await;
        let carol = join(local(), &alice).await;
        let large = vec![7; 60_000];
        bob.put("large", large.clone()).await.unwrap();
        let values = carol.get_all("large").await.unwrap();
        assert_eq!(values[0].data(), large);
    })
    .await;
}

#[tokio::test]
async fn signed_values_name_their_signer_and_follow_each_other() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let bob = join(local(), &alice).await;
        for text in ["one", "two"] {
            let put = alice
                .put_signed("greeting", text)
                .id(ValueId(5))
                .permanent();
            assert_eq!(put.await.unwrap().id, ValueId(5));
        }
        let values = bob.get_all("greeting").await.unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(values[0].text(), Ok("two"));
        assert_eq!(values[0].protection(), Protection::Signed);
        assert_eq!(values[0].signer(), alice.identity());

        let error = bob.put_signed("greeting", "three").await.unwrap_err();
        assert!(matches!(error, PutError::NoIdentity));
    })
    .await;
}

#[tokio::test]
async fn encrypted_values_are_for_their_recipient_alone() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let bob = join(local().identity(identity("bob")), &alice).await;
        let carol = join(local().identity(identity("carol")), &alice).await;
        let bob_id = bob.identity().unwrap();

        alice
            .put_encrypted("inbox", bob_id, "for your eyes")
            .await
            .unwrap();
        let values = bob.get_all("inbox").await.unwrap();
        assert_eq!(values[0].text(), Ok("for your eyes"));
        assert_eq!(values[0].protection(), Protection::Encrypted);
        assert_eq!(values[0].signer(), alice.identity());

        let mut values = carol.get("inbox");
        assert_eq!(values.next().await, None);
        assert!(values.dropped() > 0);

        let unknown = identity("device").long_id();
        let error = alice
            .put_encrypted("inbox", unknown, "hello")
            .await
            .unwrap_err();
        assert!(matches!(error, PutError::NoCertificate));
    })
    .await;
}

#[tokio::test]
async fn certificates_are_found_in_the_dht_in_the_store_or_at_hand() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let bob = join(local().identity(identity("bob")), &alice).await;
        let alice_id = alice.identity().unwrap();
        let found = bob.find_certificate(alice_id).await.unwrap().unwrap();
        assert_eq!(found.long_id(), alice_id);
        let key = bob.find_public_key(alice_id).await.unwrap().unwrap();
        assert_eq!(key.long_id(), alice_id);

        let carol = identity("carol");
        assert_eq!(bob.find_certificate(carol.long_id()).await, Ok(None));
        bob.register_certificate(carol.certificate().clone())
            .await
            .unwrap();
        assert!(
            bob.find_certificate(carol.long_id())
                .await
                .unwrap()
                .is_some()
        );

        let store = |name: &_| {
            Some(identity("carol").certificate().clone()).filter(|its| its.long_id() == *name)
        };
        let dave = local().certificates(Box::new(store)).start().await.unwrap();
        assert!(
            dave.find_certificate(carol.long_id())
                .await
                .unwrap()
                .is_some()
        );
    })
    .await;
}

#[tokio::test]
async fn a_listen_reports_what_is_there_what_comes_and_what_goes() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = join(local(), &alice).await;
        bob.put("news", Draft::from("old").id(ValueId(1)))
            .await
            .unwrap();

        let mut news = alice.listen("news");
        let Some(Change::Added(old)) = news.next().await else {
            panic!("the old value is there")
        };
        assert_eq!(old.text(), Ok("old"));

        bob.put("news", Draft::from("new").id(ValueId(2)))
            .await
            .unwrap();
        let Some(Change::Added(new)) = StreamExt::next(&mut news).await else {
            panic!("the new value comes")
        };
        assert_eq!(new.text(), Ok("new"));
        assert_eq!((news.missed(), news.error()), (0, None));

        let lone = local().start().await.unwrap();
        let mut own = lone.listen("own");
        lone.put("own", Draft::from("brief").id(ValueId(3)))
            .await
            .unwrap();
        assert!(matches!(own.next().await, Some(Change::Added(_))));
        lone.cancel_put("own", ValueId(3)).await.unwrap();
        let gone = own.next().await;
        assert!(matches!(&gone, Some(Change::Expired(value)) if value.id() == ValueId(3)));

        alice.shutdown().await.unwrap();
        assert_eq!(news.next().await, None);
        assert_eq!(news.error(), Some(GetError::Closed(Closed)));
    })
    .await;
}

#[tokio::test]
async fn filters_and_selections_are_applied() {
    within(async {
        let alice = local().start().await.unwrap();
        for (id, text) in [(1, "one"), (2, "two")] {
            let draft = Draft::from(text).id(ValueId(id)).user_type(text);
            alice.put("numbers", draft).await.unwrap();
        }
        let two = Query {
            conditions: vec![Condition::Id(ValueId(2))],
            ..Query::default()
        };
        let values = alice.get_where("numbers", two).all().await.unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(values[0].text(), Ok("two"));

        let query = "SELECT id,user_type WHERE value_type=0".parse().unwrap();
        let mut rows = alice.query("numbers", query).await.unwrap();
        rows.sort();
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, [Some(ValueId(1)), Some(ValueId(2))]);
        assert_eq!(rows[1].user_type.as_deref(), Some("two"));
        assert_eq!(values[0].value_type(), ValueType::USER_DATA);
    })
    .await;
}

#[tokio::test]
async fn values_of_the_applications_own_types_go_there_and_back() {
    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    struct Profile {
        name: String,
        age: u8,
    }
    within(async {
        let alice = local().start().await.unwrap();
        let profile = Profile {
            name: "alice".into(),
            age: 7,
        };
        alice.put_typed("profile", &profile).await.unwrap();
        alice.put("profile", "something else").await.unwrap();
        let found = alice.get_typed::<Profile>("profile").await.unwrap();
        let profiles: Vec<_> = found.into_iter().map(|(profile, _)| profile).collect();
        assert_eq!(profiles, [profile]);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_says_why() {
    within(async {
        let alice = local().start().await.unwrap();
        let zero = [0; 20];
        let mut values = alice.get(zero);
        assert_eq!(values.next().await, None);
        assert_eq!(values.error(), Some(GetError::Refused(OpError::ZeroKey)));
        let error = alice.put(zero, "hello").await.unwrap_err();
        assert!(matches!(error, PutError::Refused(OpError::ZeroKey)));
        assert!(alice.import_nodes(b"\xc0").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_put_is_gone_here() {
    within(async {
        let alice = local().start().await.unwrap();
        let placed = alice.put_permanent("greeting", "hello").await.unwrap();
        assert_eq!(alice.cancel_put("greeting", placed.id).await, Ok(true));
        assert_eq!(alice.cancel_put("greeting", placed.id).await, Ok(false));
        assert!(texts(&alice, "greeting").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn dropped_streams_cancel_their_operations() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = join(local(), &alice).await;
        bob.put("news", "hello").await.unwrap();
        let mut listen = bob.listen("news");
        listen.next().await.unwrap();
        let mut get = bob.get("news");
        get.next().await.unwrap();
        drop(bob.get("never polled"));
        let operations = async || bob.node_info().await.unwrap().stats.operations;
        assert!(operations().await > 0);
        drop((listen, get));
        while operations().await > 0 {}
    })
    .await;
}
