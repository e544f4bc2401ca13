//! Identities and values for tests, made by OpenDHT (see `tests/vectors`).

use std::sync::LazyLock;

use bulla_identity::{CertificateChain, Identity, PrivateKey};
use serde_json::Value as Json;

use super::admission::Ticket;
use super::job::{Job, Outcome, Task};
pub(super) use super::own_certificate::certificate_value;
use crate::lookup::OpId;
use crate::value::{Draft, Value, ValueId};

static IDENTITIES: LazyLock<Json> = LazyLock::new(|| {
    parse(include_str!(
        "../../../identity/tests/vectors/identities.json"
    ))
});
static VALUES: LazyLock<Json> =
    LazyLock::new(|| parse(include_str!("../../../tests/vectors/values.json")));
static ALICE: LazyLock<Identity> = LazyLock::new(|| identity("alice", "4.4.2"));
static BOB: LazyLock<Identity> = LazyLock::new(|| identity("bob", "4.4.2"));
static CAROL: LazyLock<Identity> = LazyLock::new(|| identity("carol", "4.4.2"));

/// A value that OpenDHT made, or tampered with.
pub(super) struct GoldenValue {
    pub(super) name: String,
    pub(super) made_by: String,
    pub(super) bytes: Vec<u8>,
    /// "signature valid", "signature invalid" or nothing.
    pub(super) expected: String,
    /// The name of the signer, if the vector has it.
    pub(super) signer: String,
    /// The name of the recipient, if it is encrypted.
    pub(super) recipient: String,
}

pub(super) fn golden_values() -> Vec<GoldenValue> {
    let text = |vector: &Json, field: &str| vector[field].as_str().unwrap_or_default().to_owned();
    let vectors = VALUES["vectors"].as_array().unwrap();
    vectors
        .iter()
        .map(|vector| GoldenValue {
            name: text(vector, "name"),
            made_by: text(vector, "made_by"),
            bytes: hex::decode(text(vector, "hex")).unwrap(),
            expected: text(vector, "expected"),
            signer: text(vector, "signer") + &text(vector, "sender"),
            recipient: text(vector, "recipient"),
        })
        .collect()
}

/// An identity made by this version of OpenDHT.
pub(super) fn identity(name: &str, made_by: &str) -> Identity {
    let vectors = IDENTITIES["vectors"].as_array().unwrap();
    let vector = vectors
        .iter()
        .find(|vector| vector["name"] == name && vector["made_by"] == made_by)
        .unwrap();
    let key = PrivateKey::from_pem(vector["private_key_pem"].as_str().unwrap(), None).unwrap();
    let chain = vector["certificate_chain_pem"].as_str().unwrap();
    Identity::new(key, CertificateChain::from_bytes(chain.as_bytes()).unwrap()).unwrap()
}

pub(super) fn alice() -> Identity {
    ALICE.clone()
}

pub(super) fn bob() -> Identity {
    BOB.clone()
}

/// Has a key of 4096 bits.
pub(super) fn carol() -> Identity {
    CAROL.clone()
}

pub(super) fn signed(by: &Identity, id: u64, seq: u16, text: &str) -> Value {
    made(Task::Sign {
        op: OpId(0),
        key: by.key().clone(),
        draft: Draft::from(text),
        id: ValueId(id),
        seq,
    })
}

pub(super) fn encrypted(by: &Identity, to: &Identity, id: u64, text: &str) -> Value {
    made(Task::Encrypt {
        op: OpId(0),
        key: by.key().clone(),
        recipients: vec![to.public_key().clone()],
        draft: Draft::from(text),
        id: ValueId(id),
    })
}

fn made(task: Task) -> Value {
    let ticket = Ticket::Step;
    match Job::new(ticket, task).run().outcome {
        Outcome::Made { value, .. } => value.unwrap(),
        _ => panic!("another outcome"),
    }
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}
