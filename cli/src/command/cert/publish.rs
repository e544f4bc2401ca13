//! `bulla cert publish`: publish a certificate in the DHT.

use bulla::secure::KeyName;
use bulla::{CertificatePayload, Draft, Typed, ValueId, ValueType};
use bulla_identity::{Certificate, CertificateChain};

use crate::args::NetworkArgs;
use crate::certificates::read_chain;
use crate::exit::{Context, Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keyring::Keyring;
use crate::printer::{Printer, Style};
use crate::session::Session;
use crate::{json, text};

/// The id under which OpenDHT puts certificates.
const VALUE_ID: ValueId = ValueId(1);

/// Puts the certificate under both keys where it is looked for, and prints how many nodes hold it.
pub(super) async fn run(
    mut network: NetworkArgs,
    once: bool,
    printer: &Printer,
) -> Result<Exit, Failure> {
    // The node needs no identity: a certificate can be published without its key.
    let named = network.identity.take();
    network.anonymous = true;
    let identity = Keyring::open()?.identity_or_default(named.as_deref())?;
    let chain = read_chain(&identity)?;
    let session = Session::join(&network, printer).await?;
    let mut interrupt = Interrupt::install()?;
    let mut acknowledged = 0;
    for (name, kind) in names(chain.leaf()) {
        let key = name.dht_key();
        let mut put = session.dht.put(key, draft(&chain)).id(VALUE_ID);
        if !once {
            put = put.permanent();
        }
        let Some(placed) = session.in_time(put.into_future()).await else {
            printer.note(format_args!(
                "not acknowledged within {} s: raise --timeout",
                session.patience()
            ));
            return Ok(Exit::Nothing);
        };
        let placed = placed.context(format_args!("cannot publish {}", identity.display()))?;
        acknowledged += placed.report.acknowledged;
        let mut object = json::put(key, &placed);
        object["name"] = name.to_string().into();
        let bold = printer.style(Style::Bold, &name);
        let holders = text::holders(&placed.report);
        printer.result(
            &object,
            format_args!("{kind} {bold}: acknowledged by {holders}"),
        )?;
    }
    if acknowledged > 0 && !once {
        printer.print("published until interrupted")?;
        interrupt.wait().await;
    }
    session.leave().await?;
    if acknowledged == 0 {
        printer.note("no node acknowledged the certificate");
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Done)
}

fn names(certificate: &Certificate) -> [(KeyName, &'static str); 2] {
    [
        (certificate.long_id().into(), "long id"),
        (certificate.id().into(), "short id"),
    ]
}

fn draft(chain: &CertificateChain) -> Draft {
    let published = CertificatePayload {
        encoded: chain.to_pem().into(),
    };
    Draft::new(published.to_data()).value_type(ValueType::CERTIFICATE)
}
