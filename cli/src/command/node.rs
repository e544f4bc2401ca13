//! `bulla node`: run a node until it is interrupted.

use std::io::{self, IsTerminal};
use std::time::Duration;

use bulla::{Config, Dht};
use serde_json::json;

use crate::args::{Limit, NodeArgs};
use crate::exit::{Context, Exit, Failure};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::printer::{Printer, Style};
use crate::prompt::{End, Prompt};
use crate::session::{builder, start};
use crate::text::list;

/// How long a node that is interrupted takes to end its puts and to hand over what it stores.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the node.
pub(crate) async fn run(args: &NodeArgs, printer: &Printer) -> Result<Exit, Failure> {
    let mut builder = builder(&args.network, config(args), printer)?.port(args.port);
    for address in &args.bind {
        let mut address = *address;
        address.set_port(args.port);
        builder = builder.bind(address);
    }
    if let Some(state) = &args.state {
        builder = builder.state(state);
    }
    let dht = start(builder).await?;
    let mut interrupt = Interrupt::install()?;
    announce(&dht, printer)?;
    tokio::select! {
        () = interrupt.wait() => {}
        result = converse(args, &dht, printer) => result?,
    }
    let leaving = printer.spinner("handing over what is stored here");
    let ended = dht.shutdown_within(LEAVE_TIMEOUT).await;
    drop(leaving);
    ended.context("the node has ended, but its state is not saved")?;
    Ok(Exit::Done)
}

fn config(args: &NodeArgs) -> Config {
    let mut config = Config {
        client: args.client,
        ..Config::default()
    };
    let per_sec = |limit| match limit {
        Limit::At(count) => Some(count),
        Limit::Off => None,
    };
    if let Some(limit) = args.rate_limit {
        config.transport.rate_limit_per_sec = per_sec(limit);
    }
    if let Some(limit) = args.peer_rate_limit {
        config.transport.peer_rate_limit_per_sec = per_sec(limit);
    }
    match args.storage_limit {
        None => {}
        Some(Limit::At(bytes)) => config.storage.limit_bytes = bytes,
        Some(Limit::Off) => {
            config.storage.limit_bytes = usize::MAX;
            config.storage.limit_per_source_bytes = usize::MAX;
        }
    }
    config
}

/// Prints that the node runs, its addresses and its identity.
fn announce(dht: &Dht, printer: &Printer) -> Result<(), Failure> {
    let addresses: Vec<String> = dht.addresses().iter().map(ToString::to_string).collect();
    let identity = dht.identity().map(|id| id.to_string());
    let object = json!({
        "event": "ready",
        "node_id": dht.id().to_string(),
        "addresses": addresses,
        "identity": identity,
    });
    let bold = printer.style(Style::Bold, dht.id());
    let owner = identity.map_or_else(String::new, |id| format!("\nas {id}"));
    let text = format!("node {bold} runs on {}{owner}", list(dht.addresses()));
    Ok(printer.result(&object, text)?)
}

/// Runs the commands that are typed or piped in. Returns when the node shall end.
async fn converse(args: &NodeArgs, dht: &Dht, printer: &Printer) -> Result<(), Failure> {
    let is_terminal = io::stdin().is_terminal();
    if args.interactive == Some(false) {
        return std::future::pending().await;
    }
    let (input, printer) = if is_terminal && io::stdout().is_terminal() && !printer.is_json() {
        printer.print("(`h` lists the commands)")?;
        Input::of_terminal("> ", printer.clone())?
    } else {
        (Input::of_pipe()?, printer.clone())
    };
    let end = Prompt::new(dht.clone(), printer).run(input).await?;
    if end == End::Input && !args.interactive.unwrap_or(is_terminal) {
        // A service has no input, and runs on.
        std::future::pending::<()>().await;
    }
    Ok(())
}
