//! What the borders of the crates do not hold: the rooms of the core import downwards only, and
//! nothing in the core touches the outside.
//!
//! Files are read as text. Comments and the tests at the end of a file do not count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::repository::{files, root};

/// The crates of the core, and their rooms from the lowest layer up. Rooms of one layer do not know
/// each other. Left out is `lib`.
const CRATES: [(&str, &[&str]); 2] = [
    (
        "kad",
        &[
            "address family id lru op_id prefix time",
            "budget contact rng schedule source",
            "ready_set shares",
            "lookup routing token transport",
        ],
    ),
    (
        "dht",
        &[
            "msgpack routing sockaddr value_type",
            "value",
            "wire",
            "lookup rpc storage",
            "node",
            "bulla_identity",
            "secure",
            "fuzzing",
        ],
    ),
];

/// Names of what is outside: sockets, clocks, threads, files, the system's randomness.
const OUTSIDE: [&str; 18] = [
    "tokio",
    "socket2",
    "getrandom",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "ToSocketAddrs",
    "Instant",
    "SystemTime",
    "thread",
    "thread_local",
    "thread_rng",
    "OsRng",
    "SysRng",
    "RandomState",
    "async",
    "fs",
    "env",
];

#[test]
fn imports_go_down_only() {
    let mut faults = String::new();
    for (name, layers) in CRATES {
        let exports = exports(name);
        for Source { path, room, code } in sources(name) {
            let Some(layer) = layer(layers, &room) else {
                let _ = writeln!(faults, "{} is in no layer", path.display());
                continue;
            };
            for import in imports(&code) {
                let target = exports.get(import).map_or(import, String::as_str);
                if target != room && self::layer(layers, target) >= Some(layer) {
                    let _ = writeln!(faults, "{}: {import}", path.display());
                }
            }
        }
    }
    assert!(faults.is_empty(), "upward or sideways imports:\n{faults}");
}

#[test]
fn the_core_touches_nothing_outside() {
    let mut faults = String::new();
    for Source { path, code, .. } in CRATES.iter().flat_map(|(name, _)| sources(name)) {
        for word in words(&code).filter(|word| OUTSIDE.contains(word)) {
            let _ = writeln!(faults, "{}: {word}", path.display());
        }
    }
    assert!(faults.is_empty(), "the core does no I/O:\n{faults}");
}

#[test]
fn imports_are_found_in_every_form() {
    let code = without_comments(
        "use crate::{Config, node::{Node, self}, wire::Tid};
// crate::comment
fn f() { crate::rpc::g(\"//\"); }
use bulla_identity::Identity;
#[cfg(test)]
mod tests {
    use crate::secure;
}",
    );
    let found: Vec<_> = imports(&code).filter(|name| *name != "self").collect();
    let names = ["Config", "node", "Node", "wire", "Tid", "rpc"];
    assert_eq!(found, [&names[..], &["bulla_identity"]].concat());
    let layers = CRATES[1].1;
    assert!(layer(layers, "wire") < layer(layers, "rpc"));
    assert_eq!(layer(layers, "rpc"), layer(layers, "storage"));
    assert_eq!(layer(layers, "Tid"), None);
}

/// A source file: where it is, which room it belongs to, what is in it.
struct Source {
    path: PathBuf,
    room: String,
    code: String,
}

fn sources(name: &str) -> Vec<Source> {
    let src = root().join(name).join("src");
    let source = |path: PathBuf| {
        let inside = path.strip_prefix(&src).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        Source {
            room: room.replace(".rs", ""),
            code: without_comments(&fs::read_to_string(&path).unwrap()),
            path,
        }
    };
    let mut sources: Vec<_> = files(&src, &["rs"]).into_iter().map(source).collect();
    sources.retain(|source| source.room != "lib");
    assert!(sources.len() > 10, "the sources are not in {name}/src");
    sources
}

fn layer(layers: &[&str], room: &str) -> Option<usize> {
    let mut layers = layers.iter();
    layers.position(|rooms| rooms.split(' ').any(|name| name == room))
}

/// Returns what the root of a crate exports, with the room that it is from.
fn exports(name: &str) -> BTreeMap<String, String> {
    let lib = fs::read_to_string(root().join(name).join("src/lib.rs")).unwrap();
    let mut exports = BTreeMap::new();
    for statement in without_comments(&lib).split(';') {
        let path = statement.split_once("pub use ").map(|(_, path)| path);
        let mut names = words(path.unwrap_or_default()).filter(|name| *name != "crate");
        if let Some(room) = names.next() {
            exports.extend(names.map(|name| (name.to_owned(), room.to_owned())));
        }
    }
    assert!(exports.contains_key("Timestamp"));
    exports
}

/// Returns the names that a file imports from its own crate, with those within them, and the crate
/// of identities.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    let own = code.split("crate::").skip(1).flat_map(|rest| {
        let is_group = rest.starts_with('{');
        let is_end =
            |char: char| char == ';' || !(is_group || char.is_alphanumeric() || char == '_');
        words(rest.split(is_end).next().unwrap_or_default())
    });
    own.chain(words(code).filter(|word| *word == "bulla_identity"))
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
}

/// Returns the code of a file, without comments and without the tests at its end.
fn without_comments(text: &str) -> String {
    text.lines()
        .take_while(|line| *line != "mod tests {")
        .map(|line| line.split("//").next().unwrap_or_default())
        .fold(String::new(), |code, line| code + line + "\n")
}
