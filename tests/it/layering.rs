//! The layers of the source tree: what may import what, and what no file below the drivers may touch.
//!
//! Files are read as text. Comments and the tests at the end of a file do not count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Every top-level module with its layer; those of equal number are strangers to each other, except in layers 1 and 2.
const LAYERS: [(&str, u32); 20] = [
    ("infohash", 1),
    ("time", 1),
    ("schedule", 1),
    ("rng", 1),
    ("value_type", 1),
    ("contact", 1),
    ("sockaddr", 1),
    ("config", 1),
    ("value", 2),
    ("wire", 3),
    ("routing", 4),
    ("lookup", 4),
    ("storage", 4),
    ("rpc", 4),
    ("token", 4),
    ("node", 5),
    // The crate of keys and certificates, which only the layers above the node know.
    ("bulla_identity", 5),
    ("secure", 6),
    ("runner", 7),
    ("fuzzing", 8),
];

/// The part of layer 4 that may speak of messages, and those that may speak of values; the others stay generic.
const HIGHEST_IMPORT_OF_PARTS: [(&str, u32); 5] = [
    ("routing", 1),
    ("token", 1),
    ("lookup", 2),
    ("storage", 2),
    ("rpc", 3),
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

const LONGEST_FILE: usize = 500;

#[test]
fn imports_go_down_only() {
    let exports = exports();
    let mut faults = String::new();
    for file in sources() {
        for import in imports(&file.code) {
            let target = exports.get(import).map_or(import, String::as_str);
            if !may_import(&file.module, target) {
                let _ = writeln!(faults, "{}: crate::{import}", file.path.display());
            }
        }
        if (1..6).contains(&layer(&file.module))
            && words(&file.code).any(|word| word == "bulla_identity")
        {
            let _ = writeln!(faults, "{}: bulla_identity", file.path.display());
        }
    }
    assert!(faults.is_empty(), "upward or sideways imports:\n{faults}");
}

#[test]
fn nothing_below_the_drivers_touches_the_outside() {
    let mut faults = String::new();
    for file in sources()
        .iter()
        .filter(|file| (1..7).contains(&layer(&file.module)))
    {
        for word in words(&file.code).filter(|word| OUTSIDE.contains(word)) {
            let _ = writeln!(faults, "{}: {word}", file.path.display());
        }
    }
    assert!(faults.is_empty(), "the core does no I/O:\n{faults}");
}

#[test]
fn every_module_has_a_layer() {
    for file in sources() {
        assert!(
            layer(&file.module) > 0 || file.module == "lib",
            "{} stands in no layer",
            file.path.display()
        );
    }
}

#[test]
fn no_file_is_long() {
    let mut faults = String::new();
    for dir in ["src", "identity", "sim", "cli", "tests", "examples"] {
        for path in rust_files(&root().join(dir)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            if lines > LONGEST_FILE {
                let _ = writeln!(faults, "{}: {lines} lines", path.display());
            }
        }
    }
    assert!(faults.is_empty(), "more than {LONGEST_FILE}:\n{faults}");
}

#[test]
fn imports_are_found_in_every_form() {
    let code = without_comments(
        "use crate::{Config, node::{Node, self}, wire::Tid};
// crate::comment
fn f() { crate::rpc::g(\"//\"); }
use super::super::storage::Storage;
#[cfg(test)]
mod tests {
    use crate::runner;
}",
    );
    let found: Vec<_> = imports(&code).collect();
    assert_eq!(found, ["Config", "node", "wire", "rpc", "storage"]);
    assert!(!may_import("routing", "rpc"));
    assert!(!may_import("routing", "value"));
    assert!(!may_import("storage", "wire"));
    assert!(!may_import("wire", "node"));
    assert!(may_import("node", "routing"));
    assert!(may_import("rpc", "wire"));
    assert!(may_import("config", "value_type"));
}

/// A source file: where it is, which top-level module it belongs to, what is in it.
struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let source = |path: PathBuf| {
        let inside = path.strip_prefix(&src).unwrap();
        let module = inside.components().next().unwrap();
        Source {
            module: module.as_os_str().to_str().unwrap().replace(".rs", ""),
            code: without_comments(&fs::read_to_string(&path).unwrap()),
            path,
        }
    };
    let files: Vec<_> = rust_files(&src).into_iter().map(source).collect();
    assert!(files.len() > 50, "the sources are not where they should be");
    files
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

fn layer(module: &str) -> u32 {
    let found = LAYERS.iter().find(|(name, _)| *name == module);
    found.map_or(0, |(_, layer)| *layer)
}

/// What is in the root of the crate by re-export, with the module that it is from.
fn exports() -> BTreeMap<String, String> {
    let lib = without_comments(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let mut exports = BTreeMap::new();
    for statement in lib.split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else {
            continue;
        };
        let module = words(path).next().unwrap();
        for name in words(path).skip(1) {
            exports.insert(name.to_owned(), module.to_owned());
        }
    }
    assert!(exports.contains_key("InfoHash"));
    exports
}

fn may_import(module: &str, target: &str) -> bool {
    let (from, to) = (layer(module), layer(target));
    // The root holds no logic and may name all; what is no module of the root is a name inside the same folder.
    if from == 0 || to == 0 || module == target {
        return true;
    }
    let of_part = HIGHEST_IMPORT_OF_PARTS
        .iter()
        .find(|(name, _)| *name == module);
    match of_part {
        Some((_, highest)) => to <= *highest,
        None if from <= 2 => to <= from,
        None => to < from,
    }
}

/// What a file imports from its own crate.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    imports_after("crate::", code).chain(imports_after("super::", code))
}

/// The first names after this prefix, with those of a group each.
fn imports_after<'a>(prefix: &'static str, code: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix)
        .flat_map(move |(at, _)| first_names(&code[at + prefix.len()..]))
        .filter(|name| *name != "super" && *name != "self")
}

fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        return words(path).take(1).collect();
    };
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.extend(words(&group[start..at]).next());
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
}

/// The code of a file, without comments and without the tests at its end.
fn without_comments(text: &str) -> String {
    text.lines()
        .take_while(|line| *line != "mod tests {")
        .map(|line| line.split("//").next().unwrap_or_default())
        .fold(String::new(), |code, line| code + line + "\n")
}
