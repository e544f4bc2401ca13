//! `bulla cert verify`: is a certificate to be trusted?

use crate::args::VerifyArgs;
use crate::calendar::now;
use crate::certificates::read_named;
use crate::exit::{Exit, Failure};
use crate::printer::Printer;
use crate::verifier::Verifier;

/// Verifies the certificate, and prints why if it is not trusted.
pub(super) fn run(args: &VerifyArgs, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_named(&args.certificate)?;
    let at = args.at.unwrap_or_else(now);
    let verifier = Verifier::read(&args.ca, &args.crl)?;
    let verdict = verifier.verify(&chain, at)?;
    printer.result(&verdict.json(chain.leaf()), verdict.text(printer))?;
    verifier.note_outdated(at, printer);
    Ok(verdict.exit())
}
