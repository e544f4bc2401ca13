//! `bulla get`: get the values under a key.

use crate::cli::args::GetArgs;
use crate::cli::exit::{During, Exit, Failure};
use crate::cli::printer::Printer;
use crate::cli::session::Session;
use crate::cli::{json, text};

/// Prints the values as they come.
pub(crate) async fn run(args: &GetArgs, printer: &Printer) -> Result<Exit, Failure> {
    let session = Session::join(&args.network, printer).await?;
    let mut get = session.dht.get_where(args.key, args.filter.clone());
    let mut is_found = false;
    let mut is_late = false;
    while !(is_found && args.first) {
        match session.in_time(get.next()).await {
            Some(Some(value)) => {
                printer.result(&json::value(&value), text::value(&value, printer))?;
                is_found = true;
            }
            Some(None) => break,
            None => {
                is_late = true;
                break;
            }
        }
    }
    if let Some(error) = get.error() {
        return Err(error).during(format_args!("cannot get {}", args.key));
    }
    let (report, dropped) = (get.report().unwrap_or_default(), get.dropped());
    drop(get);
    let patience = session.patience();
    session.leave().await?;
    if is_late {
        printer.remark(format_args!(
            "not all nodes answered within {patience} s: there may be more values; raise --timeout"
        ));
    }
    if dropped > 0 {
        printer.remark(format_args!(
            "{dropped} values were not shown: forged, or encrypted for others"
        ));
    }
    if is_found {
        return Ok(Exit::Done);
    }
    if !is_late && dropped == 0 {
        printer.remark(format_args!(
            "nothing found under {}: {} of {} nodes answered",
            args.key, report.answered, report.asked
        ));
    }
    Ok(Exit::Nothing)
}
