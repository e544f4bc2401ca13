//! What honest people do.

use bulla::Value;
use bulla::secure::{Checked, Protection};
use bulla::{Dht, InfoHash};
use bulla_identity::Identity;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

use super::narrator::{Outcome, Step};
use super::stage::{Cast, KEY_BITS, NODES, People, Stage, ensure, holds, in_time};
use crate::exit::{Context, Failure};
use crate::text::holders;

/// Where alice puts what she signs, and what it is.
pub(super) const IOU: &str = "iou";
pub(super) const PROMISE: &str = "alice owes mallory 1 coin";
/// Where alice writes to bob, and what.
const INBOX: &str = "inbox";
const SECRET: &str = "the gold is under the oak";

/// Nodes make a network.
pub(super) async fn network() -> Step<Stage> {
    let stage = Stage::set().await?;
    let text = format!("{NODES} of {NODES} nodes are connected");
    let facts = json!({ "nodes": NODES });
    Ok((stage, Outcome { text, facts }))
}

/// People make keys.
pub(super) async fn identities() -> Step<People> {
    let people = People::make().await?;
    let id = |identity: &Identity| identity.long_id().to_string();
    let text = format!(
        "three RSA keys of {KEY_BITS} bits. Alice's id is\n       {}",
        id(&people.alice)
    );
    let facts = json!({
        "bits": KEY_BITS,
        "alice": id(&people.alice),
        "bob": id(&people.bob),
        "mallory": id(&people.mallory),
    });
    Ok((people, Outcome { text, facts }))
}

/// Certificates are published and found.
pub(super) async fn certificates(stage: &Stage, people: &People) -> Step<Cast> {
    let cast = Cast {
        alice: stage.join(&people.alice).await?,
        bob: stage.join(&people.bob).await?,
        mallory: stage.join(&people.mallory).await?,
    };
    for identity in [&people.alice, &people.bob] {
        let id = identity.long_id();
        // Where certificates stand since OpenDHT 3.5.
        let key = InfoHash::of(id.as_bytes());
        let anyone = stage.anyone_far_from(&key.to_string());
        // A search before it is published would find nothing.
        in_time("a certificate to be published", anyone.listen(key).next()).await?;
        let found = anyone
            .find_certificate(id)
            .await
            .context("searching a certificate")?;
        ensure(found.as_ref() == Some(identity.certificate()), || {
            format!("the certificate of {id} was not found")
        })?;
    }
    let text = "Alice's and Bob's certificates were found by their ids".to_owned();
    let facts = json!({ "found": 2 });
    Ok((cast, Outcome { text, facts }))
}

/// Alice signs, anyone verifies. Returns the signed value.
pub(super) async fn signed(stage: &Stage, cast: &Cast) -> Step<Value> {
    let placed = cast
        .alice
        .put_signed(IOU, PROMISE)
        .await
        .context("Alice's put")?;
    let anyone = stage.anyone_far_from(IOU);
    let values = anyone.get_all(IOU).await.context("getting Alice's value")?;
    let Some(promise) = values.iter().find(|value| is_promise(value, &cast.alice)) else {
        return Err(Failure::new(
            "Alice's value was not found, or not with her signature",
        ));
    };
    let text = format!(
        "\"{PROMISE}\" is acknowledged by {}. Who gets it knows it is Alice's",
        holders(&placed.report)
    );
    let facts = json!({ "acknowledged": placed.report.acknowledged, "status": "signed" });
    Ok((promise.value().clone(), Outcome { text, facts }))
}

/// Alice encrypts, Bob alone reads.
pub(super) async fn encrypted(stage: &Stage, cast: &Cast) -> Step<()> {
    let bob = cast
        .bob
        .identity()
        .ok_or_else(|| Failure::new("Bob has no identity"))?;
    let placed = cast
        .alice
        .put_encrypted(INBOX, bob, SECRET)
        .await
        .context("Alice's message")?;
    let read = Glance::at(&cast.bob, INBOX).await?;
    let is_secret = |value: &Checked| {
        value.protection() == Protection::Encrypted
            && value.signer() == cast.alice.identity()
            && value.text() == Ok(SECRET)
    };
    ensure(read.values.iter().any(is_secret), || {
        "Bob cannot read what Alice wrote".to_owned()
    })?;
    for stranger in [&cast.mallory, stage.anyone_far_from(INBOX)] {
        let seen = Glance::at(stranger, INBOX).await?;
        ensure(seen.values.is_empty(), || {
            "someone else reads what Alice wrote".to_owned()
        })?;
        ensure(seen.dropped > 0, || {
            "someone else did not even find it".to_owned()
        })?;
    }
    let text =
        "Bob reads it, and knows it is from Alice. The others find it, and cannot".to_owned();
    let facts = json!({ "acknowledged": placed.report.acknowledged, "readers": ["bob"] });
    Ok(((), Outcome { text, facts }))
}

/// Nodes die, the value lives.
pub(super) async fn killed(mut stage: Stage, cast: Cast) -> Step<()> {
    let all = stage.nodes.len() + 3;
    let mut victims = stage.part_nearest(IOU, all / 3 - 1);
    victims.push(cast.alice.clone());
    let mut held = 0;
    for victim in &victims {
        held += usize::from(holds(victim, IOU).await?);
        victim
            .shutdown_within(Duration::ZERO)
            .await
            .context("killing a node")?;
    }
    let started = Instant::now();
    let mut get = stage.anyone_far_from(IOU).get(IOU);
    let found = in_time("Alice's value", async {
        while let Some(value) = get.next().await {
            if is_promise(&value, &cast.alice) {
                return true;
            }
        }
        false
    });
    ensure(found.await?, || "Alice's value was lost".to_owned())?;
    let took = started.elapsed().as_millis();
    let killed = victims.len();
    let text = format!(
        "{killed} of {all} nodes are dead, {held} of which held the value. It is still found, in {took} ms"
    );
    let facts = json!({ "nodes": all, "killed": killed, "held_by_killed": held, "found_ms": took });
    Ok(((), Outcome { text, facts }))
}

/// What a get shows to its reader.
pub(super) struct Glance {
    pub(super) values: Vec<Checked>,
    /// Values found that the checks did not let through.
    pub(super) dropped: u64,
}

impl Glance {
    pub(super) async fn at(reader: &Dht, key: &str) -> Result<Self, Failure> {
        let mut get = reader.get(key);
        let mut values = Vec::new();
        while let Some(value) = get.next().await {
            values.push(value);
        }
        match get.error() {
            Some(error) => Err(error).context(format_args!("getting {key}")),
            None => Ok(Self {
                values,
                dropped: get.dropped(),
            }),
        }
    }
}

fn is_promise(value: &Checked, alice: &Dht) -> bool {
    value.protection() == Protection::Signed
        && value.signer() == alice.identity()
        && value.text() == Ok(PROMISE)
}
