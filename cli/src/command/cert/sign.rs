//! `bulla cert sign`: sign a request, as a certificate authority.

use bulla_identity::{CertificateParams, CertificateRequest};

use super::{check_chain, deliver, issue_failure, load_identity};
use crate::args::SignArgs;
use crate::calendar::now;
use crate::describe::{self, Description};
use crate::document::read_request;
use crate::exit::{Exit, Failure};
use crate::file::refuse_existing;
use crate::printer::{Printer, Style, sanitize};
use crate::secret::read_password;

/// Signs the request, and prints what was asked for and what was granted.
pub(super) fn run(args: &SignArgs, printer: &Printer) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        refuse_existing(out)?;
    }
    let request = read_request(&args.request)?;
    check(&request, args)?;
    let authority = load_identity(
        &args.ca,
        args.ca_password_file.as_ref(),
        "--ca-password-file",
        printer,
    )?;
    let mut terms = CertificateParams::new(now())
        .days(args.days)
        .authority_key_id();
    if args.authority {
        terms = terms.authority();
    }
    if let Some(most) = args.path_length {
        terms = terms.path_length(most);
    }
    if args.grant_names {
        terms = terms.alternative_names(request.alternative_names().iter().cloned());
    }
    let doing = format!("cannot sign {}", args.request.display());
    let chain = authority
        .certify(&request, &terms)
        .map_err(|error| issue_failure(&doing, &error))?;
    check_chain(&chain, printer)?;
    let asked = describe::request(&request);
    let mut granted = describe::certificate(chain.leaf());
    granted.json["request"] = asked.json.clone();
    if args.out.is_some() {
        printer.print(section("asked for", &asked, printer))?;
        printer.print(printer.style(Style::Bold, "granted"))?;
    }
    deliver(&chain.to_pem(), args.out.as_deref(), granted, printer)?;
    note_differences(&request, args, printer);
    Ok(Exit::Done)
}

fn section(title: &str, what: &Description, printer: &Printer) -> String {
    let title = printer.style(Style::Bold, title);
    format!("{title}\n{}\n", what.text(printer))
}

fn check(request: &CertificateRequest, args: &SignArgs) -> Result<(), Failure> {
    let refuse = |why: &str| {
        let file = args.request.display();
        Err(Failure::new(format!("cannot sign {file}: {why}")))
    };
    if !request.is_signed() {
        return refuse("it is not signed by the key in it: ask for another request");
    }
    let Some(file) = &args.challenge_file else {
        return Ok(());
    };
    match request.challenge() {
        Some(word) if word == read_password(file)?.as_str() => Ok(()),
        Some(_) => refuse("its challenge is another than that in --challenge-file"),
        None => refuse("it has no challenge (--challenge-file wants one)"),
    }
}

/// Prints notes on what was asked for and not granted, and on what was granted and may surprise.
fn note_differences(request: &CertificateRequest, args: &SignArgs, printer: &Printer) {
    let names = request.alternative_names();
    if !args.grant_names && !names.is_empty() {
        printer.note(format_args!(
            "not granted: {} (--grant-names)",
            describe::names(names)
        ));
    }
    let own = request.public_key().map(|key| key.id().to_string());
    if request.uid() != own.as_deref() {
        let uid = request.uid().unwrap_or("(none)");
        printer.note(format_args!(
            "the UID is {}, not the id of the key as OpenDHT has it",
            sanitize(uid)
        ));
    }
}
