//! Encrypted values: only the recipient can read them, and sees who wrote them.

use std::time::{SystemTime, UNIX_EPOCH};

use bulla::identity::IdentityParams;
use bulla::{Dht, Identity};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[expect(clippy::disallowed_methods, reason = "certificates carry dates")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let identity = |name| Identity::generate(&IdentityParams::new(name, now).bits(2048));
    let (alice_identity, bob_identity) = (identity("alice")?, identity("bob")?);
    let bob_id = bob_identity.long_id();

    let alice = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .identity(alice_identity)
        .start()
        .await?;
    let bob = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .identity(bob_identity)
        .bootstrap(alice.addresses()[0].to_string())
        .start()
        .await?;
    bob.wait_connected().await?;

    // Bob's certificate is found in the DHT, where his node publishes it.
    alice
        .put_encrypted("inbox", bob_id, "for your eyes")
        .await?;
    for value in bob.get_all("inbox").await? {
        println!("bob reads: {} from {:?}", value.text()?, value.signer());
    }
    println!(
        "alice can read {} of them",
        alice.get_all("inbox").await?.len()
    );
    Ok(())
}
