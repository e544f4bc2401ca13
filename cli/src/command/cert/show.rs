//! `bulla cert show`: what is in a file?

use std::path::Path;

use crate::describe::{self, Description};
use crate::document::Document;
use crate::exit::{Exit, Failure};
use crate::printer::{Printer, Style};

/// Shows what is there. Of a chain each certificate is an object or a paragraph of its own.
pub(super) fn run(file: &Path, printer: &Printer) -> Result<Exit, Failure> {
    match Document::read(file)? {
        Document::Chain(chain) => {
            for (depth, certificate) in chain.iter().enumerate() {
                let what = match depth {
                    0 => "certificate".to_owned(),
                    depth => format!("\nissuer {depth}"),
                };
                show(
                    &what,
                    "certificate",
                    describe::certificate(certificate),
                    printer,
                )?;
            }
        }
        Document::Request(request) => {
            show("request", "request", describe::request(&request), printer)?;
        }
        Document::List(list) => {
            show("revocation list", "list", describe::list(&list), printer)?;
        }
    }
    Ok(Exit::Done)
}

fn show(title: &str, kind: &str, what: Description, printer: &Printer) -> Result<(), Failure> {
    let title = printer.style(Style::Bold, title);
    let text = format!("{title}\n{}", what.text(printer));
    let mut json = what.json;
    json["kind"] = kind.into();
    Ok(printer.result(&json, text)?)
}
