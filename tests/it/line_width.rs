//! Comments and pages have at most 100 columns.

use std::fmt::Write as _;
use std::fs;

use crate::repository::{files, root};

const COLUMNS: usize = 100;

#[test]
fn comments_and_pages_have_at_most_100_columns() {
    let mut faults = String::new();
    for path in files(root(), &["rs", "md"]) {
        let text = fs::read_to_string(&path).unwrap();
        let numbers = if path.extension().is_some_and(|extension| extension == "rs") {
            long_comments(&text)
        } else {
            long_prose(&text)
        };
        for number in numbers {
            let _ = writeln!(faults, "{}:{number}", path.display());
        }
    }
    assert!(faults.is_empty(), "longer than {COLUMNS}:\n{faults}");
}

#[test]
fn long_lines_are_found_but_for_code_tables_and_addresses() {
    let long = "word ".repeat(21);
    let code = format!("// {long}\nlet a = \"// {long}\";\n    a(); // {long}\n//! https://{long}");
    assert_eq!(long_comments(&code), [1, 3]);
    let page = format!("{long}\n| {long}\n```\n{long}\n```\n- {long}\nhttps://{long}");
    assert_eq!(long_prose(&page), [1, 6]);
    assert!(long_prose(&"é".repeat(COLUMNS)).is_empty());
}

/// Returns the numbers of the long lines that have a comment.
fn long_comments(source: &str) -> Vec<usize> {
    let has_comment = |line: &str| {
        let code = line.split_once("//").map(|(code, _)| code);
        code.is_some_and(|code| code.matches('"').count().is_multiple_of(2))
    };
    numbered(source.lines().map(|line| (line, has_comment(line))))
}

/// Returns the numbers of the long lines outside code blocks and tables.
fn long_prose(page: &str) -> Vec<usize> {
    let mut is_code = false;
    let prose = page.lines().map(|line| {
        let start = line.trim_start();
        is_code ^= start.starts_with("```");
        (line, !is_code && !start.starts_with('|'))
    });
    numbered(prose)
}

/// Returns the numbers of those lines that count and are too long.
fn numbered<'a>(lines: impl Iterator<Item = (&'a str, bool)>) -> Vec<usize> {
    let is_long = |line: &str| line.chars().count() > COLUMNS && !line.contains("://");
    lines
        .zip(1..)
        .filter(|((line, counts), _)| *counts && is_long(line))
        .map(|(_, number)| number)
        .collect()
}
