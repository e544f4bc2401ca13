//! Values for several recipients.

use bulla::ValueId;
use bulla::secure::Recipient;

use super::*;

#[tokio::test]
async fn a_value_for_several_travels_once_or_as_a_copy_each() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let bob = join(local().identity(identity("bob")), &alice).await;
        let carol = join(local().identity(identity("carol")), &alice).await;
        let to =
            || ["bob", "carol"].map(|name| Recipient::Key(identity(name).public_key().clone()));
        let draft = |text: &str| Draft::from(text).id(ValueId(7));
        let shared = alice.put_encrypted_to_many("shared", to(), draft("for both of you"));
        assert_eq!(shared.await.unwrap().id, ValueId(7));
        let copies = alice.put_encrypted_to_many("copies", to(), draft("a copy each"));
        let copies = copies.compatible().await;
        let ids: Vec<_> = copies.into_iter().map(|copy| copy.unwrap().id).collect();
        assert_eq!(ids, [ValueId(7), ValueId(8)]);

        for reader in [&bob, &carol] {
            assert_eq!(texts(reader, "shared").await, ["for both of you"]);
            assert_eq!(texts(reader, "copies").await, ["a copy each"]);
            let values = reader.get_all("shared").await.unwrap();
            assert_eq!(values[0].recipients().len(), 2);
        }
        assert_eq!(texts(&alice, "shared").await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn of_copies_each_tells_how_it_went() {
    within(async {
        let alice = local().identity(identity("alice")).start().await.unwrap();
        let bob = Recipient::Key(identity("bob").public_key().clone());
        let nobody = Recipient::Name(identity("carol").long_id().into());
        let copies = alice.put_encrypted_to_many("copies", [nobody, bob], "a copy each");
        let outcomes = copies.compatible().await;
        assert!(matches!(outcomes[0], Err(PutError::NoCertificate)));
        assert!(outcomes[1].is_ok());
    })
    .await;
}
