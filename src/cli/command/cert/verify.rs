//! `bulla cert verify`: is a certificate to be trusted?

use crate::cli::args::VerifyArgs;
use crate::cli::calendar::now;
use crate::cli::certificates::read_named;
use crate::cli::exit::{Exit, Failure};
use crate::cli::judge::Judge;
use crate::cli::printer::Printer;

/// Judges the certificate, and says why if it is not trusted.
pub(super) fn run(args: &VerifyArgs, printer: &Printer) -> Result<Exit, Failure> {
    let chain = read_named(&args.certificate)?;
    let at = args.at.unwrap_or_else(now);
    let judge = Judge::read(&args.ca, &args.crl)?;
    let verdict = judge.judge(&chain, at)?;
    printer.result(&verdict.json(chain.leaf()), verdict.text(printer))?;
    judge.remark_outdated(at, printer);
    Ok(verdict.exit())
}
