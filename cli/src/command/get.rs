//! `bulla get`: get the values under a key.

use crate::args::GetArgs;
use crate::exit::{Context, Exit, Failure};
use crate::keyring::Contacts;
use crate::printer::Printer;
use crate::session::Session;
use crate::trust_rules::TrustRules;
use crate::{json, text};

/// Prints the values as they come.
pub(crate) async fn run(args: &GetArgs, printer: &Printer) -> Result<Exit, Failure> {
    let mut rules = TrustRules::new(&args.trust)?;
    let contacts = Contacts::known();
    let session = Session::join(&args.network, printer).await?;
    let found = session.dht.get_where(args.key, args.filter.clone());
    let mut get = rules.narrow_get(found);
    let mut is_found = false;
    let mut is_late = false;
    while !(is_found && args.first) {
        let next = async {
            let value = get.next().await?;
            let admitted = rules.admit(&session.dht, &value).await;
            Some(admitted.map(|admitted| admitted.then_some(value)))
        };
        match session.in_time(next).await {
            Some(Some(judged)) => {
                let Some(value) = judged? else { continue };
                let object = json::value(&value, &contacts);
                printer.result(&object, text::value(&value, &contacts, printer))?;
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
        return Err(error).context(format_args!("cannot get {}", args.key));
    }
    let (report, dropped) = (get.report().unwrap_or_default(), get.dropped());
    drop(get);
    let patience = session.patience();
    session.leave().await?;
    if is_late {
        printer.note(format_args!(
            "not all nodes answered within {patience} s: there may be more values; raise --timeout"
        ));
    }
    if dropped > 0 {
        printer.note(format_args!(
            "{dropped} values were not shown: forged, or encrypted for others{}",
            if args.trust.bound_only {
                ", or not bound to this place and time"
            } else {
                ""
            }
        ));
    }
    if rules.refused() > 0 {
        printer.note(format_args!(
            "{} values were not shown: not signed by those asked for (--from, --trusted-by)",
            rules.refused()
        ));
    }
    if is_found {
        return Ok(Exit::Done);
    }
    if !is_late && dropped + rules.refused() == 0 {
        printer.note(format_args!(
            "nothing found under {}: {} of {} nodes answered",
            args.key, report.answered, report.asked
        ));
    }
    Ok(Exit::Nothing)
}
