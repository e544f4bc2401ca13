//! Two nodes on this computer: what one puts, the other gets.

use bulla::Dht;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let alice = Dht::builder().bind("127.0.0.1:0".parse()?).start().await?;
    let bob = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .bootstrap(alice.addresses()[0].to_string())
        .start()
        .await?;

    let placed = bob.put("greeting", "hello").await?;
    println!(
        "{} nodes acknowledged {}",
        placed.report.acknowledged, placed.id
    );

    let mut values = alice.get("greeting");
    while let Some(value) = values.next().await {
        println!("{}", value.text()?);
    }

    bob.shutdown().await?;
    alice.shutdown().await?;
    Ok(())
}
