//! Signed values: everyone sees who wrote them, and only the writer can replace them.

use std::time::{SystemTime, UNIX_EPOCH};

use bulla::identity::IdentityParams;
use bulla::{Dht, Identity, ValueId};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[expect(clippy::disallowed_methods, reason = "certificates carry dates")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let me = Identity::generate(&IdentityParams::new("alice", now).bits(2048))?;

    let alice = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .identity(me)
        .start()
        .await?;
    let bob = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .bootstrap(alice.addresses()[0].to_string())
        .start()
        .await?;
    bob.wait_connected().await?;

    for text in ["hello", "hello again"] {
        alice.put_signed("greeting", text).id(ValueId(1)).await?;
        for value in bob.get_all("greeting").await? {
            println!(
                "edition {}: {} from {:?}",
                value.seq(),
                value.text()?,
                value.signer()
            );
        }
    }
    Ok(())
}
