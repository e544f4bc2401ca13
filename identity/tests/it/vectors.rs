//! The vectors in `tests/vectors`.

use bulla_identity::{Certificate, CertificateChain, Identity, PrivateKey};
use serde_json::Value;

/// A second at which the certificates of the vectors are valid: 1 January 2030.
pub(crate) const NOW: u64 = 1_893_456_000;

pub(crate) const VERSIONS: [&str; 2] = ["2.4.12", "4.4.2"];

/// One entry of a vector file.
pub(crate) struct Vector(Value);

impl Vector {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field]
            .as_str()
            .unwrap_or_else(|| panic!("text field {field} in {}", self.0))
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).expect("hex")
    }

    pub(crate) fn flag(&self, field: &str) -> bool {
        self.0[field].as_bool().expect("a flag")
    }

    pub(crate) fn name(&self) -> String {
        format!("{} of {}", self.text("name"), self.text("made_by"))
    }

    /// Returns the chain of an identity.
    pub(crate) fn chain(&self) -> CertificateChain {
        CertificateChain::from_bytes(self.text("certificate_chain_pem").as_bytes())
            .expect("a chain")
    }
}

pub(crate) fn identities() -> Vec<Vector> {
    entries(include_str!("../vectors/identities.json"), "vectors")
}

pub(crate) fn rsa_identities() -> impl Iterator<Item = Vector> {
    identities()
        .into_iter()
        .filter(|vector| vector.text("name") != "erin_ec")
}

pub(crate) fn crypto(section: &str) -> Vec<Vector> {
    entries(include_str!("../vectors/crypto.json"), section)
}

/// Returns the packed value with this name by this version.
pub(crate) fn value(version: &str, name: &str) -> Vec<u8> {
    let is_it = |vector: &Vector| {
        vector.text("name") == name && vector.text("made_by").starts_with(version)
    };
    let values = entries(include_str!("../vectors/values.json"), "vectors");
    values
        .iter()
        .find(|vector| is_it(vector))
        .expect("such a value")
        .bytes("hex")
}

pub(crate) fn identity_vector(version: &str, name: &str) -> Vector {
    let is_it = |vector: &Vector| vector.text("name") == name && vector.text("made_by") == version;
    identities()
        .into_iter()
        .find(is_it)
        .expect("such an identity")
}

pub(crate) fn private_key(version: &str, name: &str) -> PrivateKey {
    let vector = identity_vector(version, name);
    PrivateKey::from_pem(vector.text("private_key_pem"), None).expect("a key")
}

/// Returns an identity of 4.4.2.
pub(crate) fn identity(name: &str) -> Identity {
    let chain = identity_vector("4.4.2", name).chain();
    Identity::new(private_key("4.4.2", name), chain).expect("key and chain match")
}

/// Returns a certificate of `tests/vectors/openssl`.
pub(crate) fn openssl_certificate(name: &str) -> Certificate {
    let path = format!(
        "{}/tests/vectors/openssl/{name}.crt",
        env!("CARGO_MANIFEST_DIR")
    );
    Certificate::from_pem(std::fs::read(path).expect("such a file")).expect("a certificate")
}

fn entries(file: &str, section: &str) -> Vec<Vector> {
    let mut file: Value = serde_json::from_str(file).expect("JSON");
    let Value::Array(entries) = file[section].take() else {
        panic!("no list {section}")
    };
    entries.into_iter().map(Vector).collect()
}

/// Returns what this version of OpenDHT makes of the certificates of [`identities`]: a revocation
/// list, a request, verdicts.
pub(crate) fn trust_vector(version: &str) -> Vector {
    let mut file: Value =
        serde_json::from_str(include_str!("../vectors/identities.json")).expect("JSON");
    Vector(file["trust"][version].take())
}
