//! The bodies of the fuzz targets in `fuzz/`, each a function of some bytes that panics if
//! something is wrong.
//!
//! `cargo test` runs each over its corpus, `fuzz/corpus/<target>/`; a crash that was found becomes
//! a file there.

mod node_ops;
mod reassembly;
mod script;

pub use node_ops::node_ops;
pub use reassembly::reassembly;

use std::sync::LazyLock;

use bulla_identity::{
    Certificate, CertificateChain, CertificateRequest, HashAlgorithm, OcspRequest, PrivateKey,
    PublicKey, RevocationList, Scheme, SharedEnvelope, TrustList, decrypt_with_key,
    encrypt_with_key, verify_chain,
};

use crate::secure::binding::{Claim, split};
use crate::value::policy::{may_replace, may_store, rewrite_service};
use crate::wire::{self, GetRequest, Message, Payload, Request, Tid};
use crate::{
    CertificatePayload, DhtMessage, Draft, IceCandidates, ImMessage, InfoHash, Query, Row,
    ServiceAnnouncement, TrustRequest, Typed, UnixTime, ValueId, ValueTypes,
};

/// Checks that what is read from a datagram is written as the same. Comparing reads every node,
/// value, row and part in it.
pub fn datagram(bytes: &[u8]) {
    if let Ok(message) = wire::decode(bytes) {
        let again = wire::encode(&message).head;
        assert_eq!(wire::decode(&again), Ok(message));
    }
}

/// Checks that what is read from a value, its payload or a saved state is written as the same, and
/// that the rules of storage decide on it.
pub fn value(bytes: &[u8]) {
    let now = UnixTime::from_secs(1 << 30);
    if let Ok(nodes) = wire::snapshot::import_nodes(bytes) {
        let again = wire::snapshot::export_nodes(&nodes);
        assert_eq!(wire::snapshot::import_nodes(&again), Ok(nodes));
    }
    let _ = wire::snapshot::import_values(bytes, now);
    let _ = wire::snapshot::import_state(bytes, now);
    survives::<CertificatePayload>(bytes);
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
    let policy = ValueTypes::default().rules(value.value_type()).policy;
    let _ = may_store(&value, policy);
    let _ = may_replace(&value, &value, policy);
    let _ = rewrite_service(value.data(), ([192, 0, 2, 1], 4222).into());
}

/// Checks that a query is the same after it was written as text, and after it was sent.
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
            request: Request::Get(GetRequest {
                key: InfoHash::of(b"key"),
                query,
                want: None,
                page: None,
            }),
        },
    };
    let sent = wire::encode(&get).head;
    // Longer queries are refused.
    if bytes.len() < 1024 {
        assert_eq!(wire::decode(&sent), Ok(get));
    }
}

/// Checks that certificates are read or refused, and that what is read keeps its bytes.
pub fn certificate(bytes: &[u8]) {
    if let Ok(chain) = CertificateChain::from_bytes(bytes) {
        let leaf = chain.leaf();
        assert_eq!(Certificate::from_der(leaf.to_der()).as_ref(), Ok(leaf));
        let _ = verify_chain(&chain, &chain, leaf.not_before());
        let _ = (leaf.is_issued_by(leaf), leaf.name(), leaf.issuer_uid());
        let mut trusted = TrustList::new();
        trusted.add(&chain);
        let _ = trusted.verify(&chain, leaf.not_after());
        if let Ok(question) = OcspRequest::new(leaf, leaf) {
            assert!(question.verify(bytes, leaf.not_before()).is_err());
        }
    }
    if let Ok(list) = RevocationList::from_der(bytes).or_else(|_| RevocationList::from_pem(bytes)) {
        assert_eq!(RevocationList::from_pem(list.to_pem()).as_ref(), Ok(&list));
        assert!(TrustList::new().add_revocation_list(list).is_err());
    }
    let request = CertificateRequest::from_der(bytes);
    if let Ok(request) = request.or_else(|_| CertificateRequest::from_pem(bytes)) {
        let again = CertificateRequest::from_pem(request.to_pem());
        assert_eq!(again.as_ref(), Ok(&request));
        let _ = request.is_signed();
    }
}

/// Checks that keys are read or refused, that what is read is written as the same, and that it does
/// or refuses everything a key does.
pub fn key(bytes: &[u8]) {
    if let Ok(key) = PublicKey::from_der(bytes) {
        assert_eq!(PublicKey::from_der(key.to_der()).as_ref(), Ok(&key));
        assert_eq!(
            PublicKey::from_der(key.to_pem().as_bytes()),
            Ok(key.clone())
        );
        assert!(!key.verify(b"never signed", bytes));
        for scheme in [Scheme::Ecdsa(HashAlgorithm::Sha256), Scheme::Ed25519] {
            assert!(!key.verify_with(scheme, b"never signed", bytes));
        }
        let _ = key.encrypt(b"hello");
    }
    for key in [
        PrivateKey::from_pem(bytes, Some("password")),
        PrivateKey::from_der(bytes),
    ] {
        let Ok(key) = key else { continue };
        let again = PrivateKey::from_pem(key.to_pem().as_bytes(), None).expect("our own");
        assert_eq!(again.public_key(), key.public_key());
        let _ = (key.sign(b"hello"), key.decrypt(bytes));
    }
}

/// Checks that ciphertexts made without the key are refused, in each form that needs no password to
/// be stretched.
pub fn blob(bytes: &[u8]) {
    for length in [16, 24, 32] {
        let key = &[7; 32][..length];
        assert!(decrypt_with_key(key, bytes).is_err());
        if let Ok(sealed) = encrypt_with_key(key, bytes) {
            assert_eq!(decrypt_with_key(key, &sealed).as_deref(), Ok(bytes));
        }
    }
    // One block alone has no tag: it may yield anything.
    if bytes.len() != ALICE.public_key().bits() / 8 {
        assert!(ALICE.decrypt(bytes).is_err());
    }
}

/// Checks that an envelope for several recipients is refused unless it is, byte for byte, as it was
/// sealed.
pub fn shared(bytes: &[u8]) {
    static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let sealed = include_str!("../../../identity/tests/vectors/shared.hex").trim();
        let byte = |at| u8::from_str_radix(&sealed[at..at + 2], 16).expect("hex");
        (0..sealed.len()).step_by(2).map(byte).collect()
    });
    let Some(envelope) = SharedEnvelope::parse(bytes) else {
        return;
    };
    assert!(SharedEnvelope::is_meant(bytes));
    let opened = envelope.open(&ALICE);
    assert_eq!(opened.is_ok(), bytes == *SEALED);
    assert!(opened.is_err() || envelope.may_be_for(ALICE.public_key()));
}

/// Checks that a user type has no binding, has exactly what is written for one, or cannot be
/// checked.
pub fn binding(bytes: &[u8]) {
    let draft = Draft::from("hello").user_type(String::from_utf8_lossy(bytes));
    let body = wire::pack_body(&draft, b"owner", 0, None);
    let Ok(value) = wire::pack_signed(&draft, ValueId(42), &body, b"signature") else {
        return;
    };
    let (own, suffix) = split(draft.user_type.as_bytes());
    assert_eq!(split(own), (own, &[][..]));
    match Claim::of(&value) {
        Claim::Nothing => assert!(suffix.is_empty()),
        Claim::Bound(binding) => assert_eq!(binding.suffix().as_bytes(), suffix),
        Claim::Unreadable => assert!(!suffix.is_empty()),
    }
}

static ALICE: LazyLock<PrivateKey> = LazyLock::new(|| {
    let pem = include_str!("../../../identity/tests/vectors/alice.pem");
    PrivateKey::from_pem(pem, None).expect("a key")
});

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
        replay("key", key);
        replay("blob", blob);
        replay("shared", shared);
        replay("binding", binding);
        replay("reassembly", reassembly);
        replay("node_ops", node_ops);
    }

    fn replay(target: &str, body: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
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
