//! What Mallory does, and how she fails.

use bulla::{Draft, Value, ValueType, wire};
use serde_json::json;

use super::narrator::{Outcome, Step};
use super::scenes::{Glance, PROMISE};
use super::stage::{Cast, Stage, ensure, refusals};
use crate::exit::{Context, Failure};
use crate::text::holders;

/// What Mallory would rather have Alice sign.
const FORGERY: &str = "alice owes mallory 9 coin";
/// A value type unknown to the nodes, whose signatures they therefore do not check.
const UNKNOWN_KIND: ValueType = ValueType(4_711);

/// Storing nodes refuse a forged value.
pub(super) async fn refused(stage: &Stage, cast: &Cast, promise: &Value) -> Step<()> {
    let key = "forged iou";
    let nodes = || stage.nodes.iter().chain([&cast.alice, &cast.bob]);
    let before = refusals(nodes()).await?;
    let put = cast.mallory.put_value(key, forge(promise)?);
    let placed = put.await.context("Mallory's put")?;
    let refused = refusals(nodes()).await? - before;
    ensure(refused > 0, || "no node refused the forgery".to_owned())?;
    let seen = Glance::at(stage.anyone_far_from(key), key).await?;
    ensure(seen.values.is_empty(), || {
        "the forgery was believed".to_owned()
    })?;
    let text = format!(
        "{refused} of {} nodes checked the signature and did not store \"{FORGERY}\"",
        placed.report.asked
    );
    let facts = json!({ "asked": placed.report.asked, "refused": refused, "found": 0 });
    Ok(((), Outcome { text, facts }))
}

/// A reader drops a forged value that storing nodes took.
pub(super) async fn dropped(stage: &Stage, cast: &Cast) -> Step<()> {
    let (key, forged_key) = ("unchecked iou", "forged unchecked iou");
    let draft = Draft::from(PROMISE).value_type(UNKNOWN_KIND);
    let original = cast
        .alice
        .put_signed(key, draft)
        .await
        .context("Alice's put")?;
    let seen = Glance::at(&cast.mallory, key).await?;
    let found = seen.values.iter().find(|value| value.id() == original.id);
    let found = found.ok_or_else(|| Failure::new("Alice's value was not found"))?;
    let put = cast.mallory.put_value(forged_key, forge(found.value())?);
    let placed = put.await.context("Mallory's put")?;
    let seen = Glance::at(stage.anyone_far_from(forged_key), forged_key).await?;
    ensure(seen.values.is_empty(), || {
        "the forgery was believed".to_owned()
    })?;
    ensure(seen.dropped > 0, || {
        "the forgery was not stored, so this shows nothing".to_owned()
    })?;
    let text = format!(
        "the forgery is acknowledged by {}. A get finds it, checks the signature and drops it",
        holders(&placed.report)
    );
    let facts = json!({ "acknowledged": placed.report.acknowledged, "dropped": seen.dropped });
    Ok(((), Outcome { text, facts }))
}

/// Alice's promise with one byte changed, under her signature.
fn forge(signed: &Value) -> Result<Value, Failure> {
    let mut packed = signed.packed().to_vec();
    let promised = packed
        .windows(PROMISE.len())
        .position(|bytes| bytes == PROMISE.as_bytes())
        .and_then(|start| packed.get_mut(start..start + PROMISE.len()))
        .ok_or_else(|| Failure::new("the signed value does not hold what was signed"))?;
    promised.copy_from_slice(FORGERY.as_bytes());
    wire::unpack(&packed).context("forging a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forgery_differs_in_one_byte() {
        let differing = PROMISE.bytes().zip(FORGERY.bytes()).filter(|(a, b)| a != b);
        assert_eq!((PROMISE.len(), differing.count()), (FORGERY.len(), 1));
    }
}
