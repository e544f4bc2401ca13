//! Citations of the protocol's description: `docs/spec/node.md#4.1` names the heading that begins
//! with this number in that file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::repository::{files, root};

const SPEC: &str = "docs/spec/";

/// The numbers of the headings of each file, by the file's name without its ending.
type Sections = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_cited_section_exists() {
    let root = root();
    let sections = sections(&root.join(SPEC));
    let (mut citations, mut faults) = (0, String::new());
    for path in files(root, &["rs", "md"]) {
        let text = fs::read_to_string(&path).unwrap();
        let mut found = citations_in(&text);
        if path.starts_with(root.join(SPEC)) {
            found.extend(own_sections_in(&text, &file_name(&path)));
        }
        citations += found.len();
        for citation in found.iter().filter(|found| !exists(found, &sections)) {
            let _ = writeln!(faults, "{}: {citation}", path.display());
        }
        for name in sections.keys() {
            if text.contains(&format!("`{name}.md")) {
                let _ = writeln!(faults, "{}: {name}.md without {SPEC}", path.display());
            }
        }
    }
    assert!(faults.is_empty(), "cited, but not there:\n{faults}");
    assert!(citations > 60, "only {citations} found");
}

#[test]
fn wrong_citations_are_found() {
    let numbers = ["15", "15.1"].map(str::to_owned);
    let sections = Sections::from([("wire".to_owned(), BTreeSet::from(numbers))]);
    let wrong = |text| -> Vec<String> {
        let found = citations_in(text).into_iter();
        found.filter(|found| !exists(found, &sections)).collect()
    };
    let right =
        "(`docs/spec/wire.md#15.1`), docs/spec/wire.md#15. `docs/spec/wire.md` in docs/spec/";
    assert!(wrong(right).is_empty());
    assert_eq!(wrong("docs/spec/wire.md#9.2."), ["wire.md#9.2"]);
    assert_eq!(wrong("`docs/spec/node.md`"), ["node.md"]);
    assert_eq!(
        own_sections_in("see section\n3.5)", "wire"),
        ["wire.md#3.5"]
    );
}

fn file_name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn sections(dir: &Path) -> Sections {
    let numbers = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let headings = text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| number(line.trim_start_matches(['#', ' '])))
            .filter(|number| !number.is_empty())
            .collect()
    };
    files(dir, &["md"])
        .iter()
        .map(|path| (file_name(path), numbers(path)))
        .collect()
}

/// The section number that a text begins with.
fn number(text: &str) -> String {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    text[..end.unwrap_or(text.len())]
        .trim_end_matches('.')
        .to_owned()
}

/// Each file that is cited, with the section if one is named, without the folder.
fn citations_in(text: &str) -> Vec<String> {
    let cited = text.split(SPEC).skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(".md")?;
        let is_name = !name.is_empty() && name.chars().all(char::is_alphanumeric);
        let section = rest
            .strip_prefix('#')
            .map(|rest| format!("#{}", number(rest)));
        is_name.then(|| format!("{name}.md{}", section.unwrap_or_default()))
    });
    cited.collect()
}

/// The sections that a file mentions without its name, which are its own.
fn own_sections_in(text: &str, name: &str) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbers = text.split("section ").skip(1).map(number);
    let numbers = numbers.filter(|number| !number.is_empty());
    numbers
        .map(|number| format!("{name}.md#{number}"))
        .collect()
}

fn exists(citation: &str, sections: &Sections) -> bool {
    let (file, section) = citation.split_once('#').unwrap_or((citation, ""));
    let known = sections.get(file.trim_end_matches(".md"));
    let is_whole = file == citation;
    known.is_some_and(|known| is_whole || known.contains(section))
}
