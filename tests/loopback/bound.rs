//! Values that are bound to their place.

use bulla::{Draft, InfoHash, Query, ValueId, wire};

use super::*;

#[tokio::test]
async fn bound_values_are_told_from_others_and_replays_are_dropped() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let mallory = join(local(), &alice).await;
        let reader = join(local(), &alice).await;
        let draft = || Draft::from("open").user_type("state").id(ValueId(7));
        let minute = Duration::from_secs(60);
        alice
            .put_signed("door", draft())
            .bound_until(minute)
            .await
            .unwrap();
        alice
            .put_signed("door", draft().id(ValueId(8)))
            .await
            .unwrap();

        assert_eq!(reader.get_all("door").await.unwrap().len(), 2);
        let by_user_type: Query = "WHERE user_type=state".parse().unwrap();
        let mut get = reader.get_where("door", by_user_type).bound_only();
        let value = get.next().await.unwrap();
        assert_eq!((value.id(), &*value.user_type()), (ValueId(7), "state"));
        let binding = value.binding().unwrap();
        assert_eq!(
            (binding.key, binding.id),
            (InfoHash::from_key("door"), ValueId(7))
        );
        assert!(get.next().await.is_none());
        assert_eq!(get.dropped(), 1);

        let replayed = wire::unpack(value.value().packed()).unwrap();
        let mut listen = reader.listen("window").bound_only();
        mallory.put_value("window", replayed).await.unwrap();
        alice.put_signed("window", "shut").bound().await.unwrap();
        let change = listen.next().await;
        assert!(matches!(change, Some(Change::Added(value)) if value.text() == Ok("shut")));
        let mut get = reader.get("window");
        assert_eq!(get.next().await.unwrap().text(), Ok("shut"));
        assert!(get.next().await.is_none());
        assert_eq!(get.dropped(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_signed_is_not_bound() {
    within(async {
        let node = local().start().await.unwrap();
        let refusal = node.put("door", "open").bound().await.unwrap_err();
        assert!(matches!(refusal, PutError::NotSigned));
    })
    .await;
}
