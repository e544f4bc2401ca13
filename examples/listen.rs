//! One node listens for what another puts.

use bulla::{Change, Dht};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let alice = Dht::builder().bind("127.0.0.1:0".parse()?).start().await?;
    let bob = Dht::builder()
        .bind("127.0.0.1:0".parse()?)
        .bootstrap(alice.addresses()[0].to_string())
        .start()
        .await?;

    let mut news = alice.listen("news");
    for text in ["first", "second"] {
        bob.put("news", text).await?;
        match news.next().await {
            Some(Change::Added(value)) => println!("new: {}", value.text()?),
            Some(Change::Expired(value)) => println!("gone: {}", value.id()),
            None => break,
        }
    }
    Ok(())
}
