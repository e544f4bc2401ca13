//! `bulla listen`: print what happens under a key.

use bulla::runner::Change;

use crate::cli::args::ListenArgs;
use crate::cli::exit::{During, Exit, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::printer::Printer;
use crate::cli::session::Session;
use crate::cli::{json, text};

/// Prints values, and those that expired, until interrupted.
pub(crate) async fn run(args: &ListenArgs, printer: &Printer) -> Result<Exit, Failure> {
    let session = Session::join(&args.network, printer).await?;
    let mut interrupt = Interrupt::install()?;
    let mut listen = session.dht.listen_where(args.key, args.filter.clone());
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            change = listen.next() => match change {
                Some(change) => show(&change, printer)?,
                None => break,
            },
        }
    }
    if let Some(error) = listen.error() {
        return Err(error).during(format_args!("cannot listen on {}", args.key));
    }
    drop(listen);
    session.leave().await?;
    Ok(Exit::Done)
}

fn show(change: &Change, printer: &Printer) -> Result<(), Failure> {
    Ok(printer.result(&json::change(change), text::change(change, printer))?)
}
