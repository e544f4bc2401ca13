//! `bulla demo`: the main job without a network, for real: nodes on loopback UDP, keys,
//! certificates and forgeries made on the spot.

mod forgeries;
mod narrator;
mod scenes;
mod stage;

use self::narrator::Narrator;
use crate::exit::{Exit, Failure};
use crate::printer::Printer;

/// Runs the demonstration.
pub(crate) async fn run(printer: &Printer) -> Result<Exit, Failure> {
    let mut narrator = Narrator::new(printer.clone());
    let end = perform(&mut narrator).await;
    narrator.sum_up()?;
    end.map(|()| Exit::Done)
}

async fn perform(narrator: &mut Narrator) -> Result<(), Failure> {
    let stage = narrator
        .step(
            "network",
            "Nodes start on loopback UDP. Each knows only the first.",
            scenes::network(),
        )
        .await?;
    let people = narrator
        .step(
            "identities",
            "Alice, Bob and Mallory make keys, and certificates for them.",
            scenes::identities(),
        )
        .await?;
    let cast = narrator
        .step(
            "certificates",
            "Each starts a node, which publishes the certificate. Someone else searches them by id.",
            scenes::certificates(&stage, &people),
        )
        .await?;
    let promise = narrator
        .step(
            "signed value",
            "Alice signs a value and puts it. Someone else gets it.",
            scenes::signed(&stage, &cast),
        )
        .await?;
    narrator
        .step(
            "encrypted value",
            "Alice writes to Bob. Mallory and others try to read it.",
            scenes::encrypted(&stage, &cast),
        )
        .await?;
    narrator
        .step(
            "forgery refused",
            "Mallory changes one byte of what Alice signed, and puts it.",
            forgeries::refused(&stage, &cast, &promise),
        )
        .await?;
    narrator
        .step(
            "forgery dropped",
            "The same with a type whose signatures nodes do not check, so that it gets stored.",
            forgeries::dropped(&stage, &cast),
        )
        .await?;
    narrator
        .step(
            "nodes killed",
            "A third of the nodes go: Alice's own, and those nearest to her value.",
            scenes::killed(stage, cast),
        )
        .await
}
