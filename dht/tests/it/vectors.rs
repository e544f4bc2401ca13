//! Access to the files in `tests/vectors`.

use std::path::Path;

use serde_json::Value;

/// Returns the content of a vector file.
pub(crate) fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/vectors")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Returns the entries under `key` of a vector file, each with a name for messages.
pub(crate) fn entries(name: &str, key: &str) -> Vec<Value> {
    load(name)[key].as_array().unwrap().clone()
}

/// Returns the bytes of a hex string.
pub(crate) fn bytes(hex: &Value) -> Vec<u8> {
    hex::decode(hex.as_str().unwrap()).unwrap()
}
