//! `bulla listen`: print what happens under a key.

use bulla::Change;

use crate::args::ListenArgs;
use crate::exit::{Context, Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keyring::Contacts;
use crate::printer::Printer;
use crate::session::Session;
use crate::trust_rules::TrustRules;
use crate::{json, text};

/// Prints values, and those that expired, until interrupted.
pub(crate) async fn run(args: &ListenArgs, printer: &Printer) -> Result<Exit, Failure> {
    let rules = TrustRules::new(&args.trust)?;
    let contacts = Contacts::known();
    let session = Session::join(&args.network, printer).await?;
    let mut interrupt = Interrupt::install()?;
    let listen = session.dht.listen_where(args.key, args.filter.clone());
    let mut trusted = rules.over(listen, &session.dht);
    loop {
        tokio::select! {
            () = interrupt.wait() => break,
            change = trusted.next() => match change? {
                Some(change) => show(&change, &contacts, printer)?,
                None => break,
            },
        }
    }
    if let Some(error) = trusted.error() {
        return Err(error).context(format_args!("cannot listen on {}", args.key));
    }
    drop(trusted);
    session.leave().await?;
    Ok(Exit::Done)
}

fn show(change: &Change, contacts: &Contacts, printer: &Printer) -> Result<(), Failure> {
    let object = json::change(change, contacts);
    Ok(printer.result(&object, text::change(change, contacts, printer))?)
}
