//! `bulla query`: get some fields of the values under a key.

use crate::args::{QueryArgs, query};
use crate::exit::{Context, Exit, Failure};
use crate::printer::Printer;
use crate::session::Session;
use crate::{json, text};

/// Prints the rows once all nodes have answered.
pub(crate) async fn run(args: &QueryArgs, printer: &Printer) -> Result<Exit, Failure> {
    let query = query(&args.select, &args.filter)
        .map_err(|error| Failure::new(format!("--select, --where: {error} (see --help)")))?;
    let session = Session::join(&args.network, printer).await?;
    let Some(rows) = session.in_time(session.dht.query(args.key, query)).await else {
        printer.note(format_args!(
            "not all nodes answered within {} s: raise --timeout",
            session.patience()
        ));
        return Ok(Exit::Nothing);
    };
    let rows = rows.context(format_args!("cannot query {}", args.key))?;
    session.leave().await?;
    for row in &rows {
        printer.result(&json::row(row), text::row(row))?;
    }
    if rows.is_empty() {
        printer.note(format_args!("nothing found under {}", args.key));
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Done)
}
