//! How nodes begin and end: ports, first peers, shutdown, and what they keep over a restart.

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_port_in_use_is_named_in_the_error() {
    within(async {
        let alice = local().start().await.unwrap();
        let taken = alice.addresses()[0];
        let error = Dht::builder().bind(taken).start().await.unwrap_err();
        assert!(matches!(error, StartError::Bind(_)));
        let told = error.to_string();
        assert!(
            told.contains(&taken.to_string()) && told.contains("another program"),
            "{told}"
        );

        let twice = Dht::builder()
            .bind(taken)
            .bind("127.0.0.2:0".parse().unwrap());
        let told = twice.start().await.unwrap_err().to_string();
        assert!(
            told.contains("one socket for each address family"),
            "{told}"
        );
    })
    .await;
}

#[tokio::test]
async fn unknown_hosts_are_named_and_one_good_peer_is_enough() {
    within(async {
        let unknown = || local().bootstrap("one.invalid").bootstrap("two.invalid:7");
        let error = unknown().start().await.unwrap_err().to_string();
        assert!(
            error.contains("one.invalid:4222") && error.contains("two.invalid:7"),
            "{error}"
        );

        let alice = local().start().await.unwrap();
        let bob = unknown().bootstrap(peer_of(&alice)).start().await.unwrap();
        bob.wait_connected().await.unwrap();

        let error = local().bootstrap("a b").start().await.unwrap_err();
        assert!(matches!(error, StartError::Peer(_)));
        assert!(bob.bootstrap("three.invalid").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn peers_can_be_given_later() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = local().start().await.unwrap();
        assert!(!bob.status().is_connected());
        bob.bootstrap(&peer_of(&alice)).await.unwrap();
        bob.wait_connected().await.unwrap();
        let info = bob.node_info().await.unwrap();
        assert_eq!(info.stats.families.v4.contacts.good, 1);
        let contacts = bob.list_contacts().await.unwrap();
        assert_eq!(contacts[0].contact.id, alice.id());
    })
    .await;
}

#[tokio::test]
async fn exported_nodes_and_values_serve_another_node() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = join(local(), &alice).await;
        bob.put("greeting", "hello").await.unwrap();

        let carol = local().start().await.unwrap();
        let values = bob.export_values().await.unwrap();
        assert_eq!(carol.import_values(&values).await.unwrap(), 1);
        assert_eq!(texts(&carol, "greeting").await, ["hello"]);

        let nodes = bob.export_nodes().await.unwrap();
        assert_eq!(carol.import_nodes(&nodes).await.unwrap(), 1);
        carol.wait_connected().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_port_0_is_replaced_by_the_one_that_the_system_chose() {
    within(async {
        let alice = Dht::builder().start().await.unwrap();
        assert!(!alice.addresses().is_empty());
        assert!(alice.addresses().iter().all(|addr| addr.port() != 0));
        assert_eq!(
            alice.node_info().await.unwrap().addresses,
            alice.addresses()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_while_busy_ends_everything_and_frees_the_port() {
    within(async {
        let alice = local().start().await.unwrap();
        let bob = join(local().identity(identity("bob")), &alice).await;
        let address = bob.addresses()[0];
        let mut listen = bob.listen("news");
        let mut work = JoinSet::new();
        for number in 0..200 {
            let bob = bob.clone();
            work.spawn(async move {
                let key = format!("key {}", number % 7);
                match number % 3 {
                    0 => drop(bob.put(key.as_str(), "hello").await),
                    1 => drop(bob.put_signed(key.as_str(), "hello").await),
                    _ => drop(bob.get_all(key.as_str()).await),
                }
            });
        }
        tokio::task::yield_now().await;
        let (first, second) = tokio::join!(bob.shutdown(), bob.shutdown());
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(listen.next().await, None);
        while work.join_next().await.is_some() {}

        assert_eq!(bob.get_all("news").await, Err(GetError::Closed(Closed)));
        assert!(matches!(
            bob.put("news", "late").await,
            Err(PutError::Closed(_))
        ));
        assert_eq!(bob.node_info().await.unwrap_err(), Closed);
        bob.shutdown().await.unwrap();
        Dht::builder().bind(address).start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_node() {
    within(async {
        let alice = local().start().await.unwrap();
        let mut status = alice.watch_status();
        let clone = alice.clone();
        drop(alice);
        assert!(clone.node_info().await.is_ok());
        drop(clone);
        while status.next().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn a_node_returns_with_id_port_contacts_and_values() {
    within(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.state");
        let alice = local().start().await.unwrap();
        let bob = Dht::builder().state(&path);
        let bob = join(bob, &alice).await;
        bob.put("greeting", "hello").await.unwrap();
        let last = bob.addresses().to_vec();
        let ports = |addrs: &[SocketAddr]| addrs.iter().map(SocketAddr::port).collect::<Vec<_>>();
        bob.shutdown().await.unwrap();

        let again = Dht::builder().state(&path).start().await.unwrap();
        assert_eq!(again.id(), bob.id());
        assert_eq!(ports(again.addresses()), ports(&last));
        again.wait_connected().await.unwrap();
        assert_eq!(again.node_info().await.unwrap().stats.storage.values, 1);

        std::fs::write(&path, "no state").unwrap();
        let error = Dht::builder().state(&path).start().await.unwrap_err();
        assert!(error.to_string().contains("node.state"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_is_an_error_of_shutdown() {
    within(async {
        let dir = tempfile::tempdir().unwrap();
        let alice = local()
            .state(dir.path().join("node.state"))
            .start()
            .await
            .unwrap();
        dir.close().unwrap();
        let error = alice.shutdown().await.unwrap_err();
        assert!(error.to_string().contains("node.state"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn of_many_commands_at_once_none_is_lost() {
    within(async {
        let alice = local().start().await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..1_000 {
            let alice = alice.clone();
            tasks.spawn(async move {
                let key = format!("key {number}");
                alice.put(key.as_str(), "hello").await.unwrap();
                alice.get_all(key.as_str()).await.unwrap().len()
            });
        }
        assert_eq!(tasks.join_all().await, [1; 1_000]);
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_with_several_addresses_replies_from_the_one_that_was_asked() {
    within(async {
        let everywhere = Dht::builder().port(0).workers(1).start().await.unwrap();
        let port = everywhere.addresses()[0].port();
        let client = local().client(true).bootstrap(format!("127.0.0.2:{port}"));
        let client = client.start().await.unwrap();
        client.wait_connected().await.unwrap();
        // Single datagrams, and batches of parts of one size.
        for (key, size) in [("small", 10), ("large", 30_000)] {
            let text = "x".repeat(size);
            client.put(key, text.as_str()).await.unwrap();
            assert_eq!(texts(&client, key).await, [text]);
        }
        let mut listen = client.listen("heard");
        everywhere.put("heard", "hello").await.unwrap();
        assert!(matches!(listen.next().await, Some(Change::Added(_))));
    })
    .await;
}
