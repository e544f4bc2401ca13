//! The bodies of the fuzz targets in `fuzz/`, each a function of some bytes that panics if something is wrong.
//!
//! `cargo test` runs each over its corpus, `fuzz/corpus/<target>/`; a crash that was found becomes a file there.

mod node_ops;
mod reassembly;
mod script;

pub use node_ops::node_ops;
pub use reassembly::reassembly;

use bulla_identity::{Certificate, PrivateKey, PublicKey, verify_chain};

use crate::value::policy::{may_replace, may_store, rewrite_service};
use crate::wire::{self, Message, Payload, Request, Tid};
use crate::{
    CertificateChain, DhtMessage, Draft, IceCandidates, ImMessage, InfoHash, Kinds, Query, Row,
    ServiceAnnouncement, TrustRequest, Typed, UnixTime, ValueId,
};

/// What is read from a datagram is written as the same. Comparing reads every node, value, row and part in it.
pub fn datagram(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        let again = wire::encode(&message).head;
        assert_eq!(wire::decode(&again), Ok(message));
    }
}

/// What is read from a value, its payload or a saved state is written as the same, and can be judged.
pub fn value(bytes: &[u8]) {
    let now = UnixTime::from_secs(1 << 30);
    if let Ok(nodes) = wire::snapshot::import_nodes(bytes) {
        let again = wire::snapshot::export_nodes(&nodes);
        assert_eq!(wire::snapshot::import_nodes(&again), Ok(nodes));
    }
    let _ = wire::snapshot::import_values(bytes, now);
    let _ = wire::snapshot::import_state(bytes, now);
    survives::<CertificateChain>(bytes);
    survives::<DhtMessage>(bytes);
    survives::<IceCandidates>(bytes);
    survives::<ImMessage>(bytes);
    survives::<ServiceAnnouncement>(bytes);
    survives::<TrustRequest>(bytes);
    let Ok(value) = wire::unpack(bytes) else {
        return;
    };
    assert_eq!(wire::unpack(value.packed()).as_ref(), Ok(&value));
    assert!(value.content_size() <= value.packed().len());
    let policy = Kinds::default().rules(value.kind()).policy;
    let _ = may_store(&value, policy);
    let _ = may_replace(&value, &value, policy);
    let _ = rewrite_service(value.data(), ([192, 0, 2, 1], 4222).into());
}

/// A query reads the same after it was shown as text, and after it travelled.
pub fn query(bytes: &[u8]) {
    let Ok(query) = String::from_utf8_lossy(bytes).parse::<Query>() else {
        return;
    };
    assert_eq!(query.to_string().parse().as_ref(), Ok(&query));
    let sample = wire::pack(&Draft::new(bytes.to_vec()), ValueId(1));
    let _ = (query.matches(&sample), Row::of(&sample, &query.select));
    assert!(query.covers(&query));
    let get = Message {
        tid: Tid(1),
        network: 0,
        client: false,
        agent: None,
        payload: Payload::Request {
            sender: InfoHash::of(b"sender"),
            request: Request::Get {
                key: InfoHash::of(b"key"),
                query,
                want: None,
            },
        },
    };
    let sent = wire::encode(&get).head;
    // Longer queries are refused.
    if bytes.len() < 1024 {
        assert_eq!(wire::decode(&sent), Ok(get));
    }
}

/// Certificates and keys of strangers are read or refused; what is read keeps its bytes.
pub fn certificate(bytes: &[u8]) {
    if let Ok(chain) = Certificate::chain_from_bytes(bytes)
        && let [leaf, ..] = &chain[..]
    {
        assert_eq!(Certificate::from_der(leaf.to_der()).as_ref(), Ok(leaf));
        let _ = verify_chain(&chain, &chain, leaf.not_before());
        let _ = (leaf.is_issued_by(leaf), leaf.name(), leaf.issuer_uid());
    }
    if let Ok(key) = PublicKey::from_der(bytes) {
        let again = PublicKey::from_der(key.to_der());
        assert_eq!(again.map(|again| again.long_id()), Ok(key.long_id()));
        assert!(!key.verify(b"never signed", bytes));
    }
    let _ = PrivateKey::from_pem(bytes, None);
    let _ = PrivateKey::from_der(bytes);
}

fn survives<T: Typed + PartialEq + std::fmt::Debug>(data: &[u8]) {
    if let Ok(payload) = T::from_data(data) {
        assert_eq!(T::from_data(&payload.to_data()), Ok(payload));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_corpus_holds() {
        replay("datagram", datagram);
        replay("value", value);
        replay("query", query);
        replay("certificate", certificate);
        replay("reassembly", reassembly);
        replay("node_ops", node_ops);
    }

    fn replay(target: &str, body: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&corpus).expect("a corpus") {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            body(&std::fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files >= 5, "{target} has hardly any corpus");
    }
}
