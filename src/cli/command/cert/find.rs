//! `bulla cert find`: find the certificate that somebody published.

use bulla::runner::Get;
use bulla::secure::{Checked, KeyName};
use bulla::{CertificateChain, Condition, Kind, Query, Typed};
use bulla_identity::{Certificate, chain_to_pem};

use crate::cli::args::FindArgs;
use crate::cli::calendar::now;
use crate::cli::describe;
use crate::cli::exit::{During, Exit, Failure};
use crate::cli::file::{Readers, refuse_existing, write_new};
use crate::cli::judge::{Judge, Verdict};
use crate::cli::keyring::Keyring;
use crate::cli::printer::{Printer, Style};
use crate::cli::session::Session;

/// Certificates of the right key that are judged: anyone may publish more.
const MAX_CANDIDATES: usize = 64;

/// Prints the first certificate that fits; if it is to be trusted, the first that is.
pub(super) async fn run(args: &FindArgs, printer: &Printer) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        refuse_existing(out)?;
    }
    let judge = match args.trusted_by.as_slice() {
        [] => None,
        trusted => Some(Judge::read(trusted, &args.crl)?),
    };
    let name = Keyring::open()?.resolve(&args.name)?;
    let session = Session::join(&args.network, printer).await?;
    let query = Query {
        conditions: vec![Condition::Kind(Kind::CERTIFICATE)],
        ..Query::default()
    };
    let mut get = session.dht.get_where(name.dht_key(), query);
    let search = search(&mut get, name, judge.as_ref());
    let searched = session.in_time(search).await;
    if let Some(error) = get.error() {
        return Err(error).during(format_args!("cannot look for {name}"));
    }
    drop(get);
    let patience = session.patience();
    session.leave().await?;
    let Some(found) = searched.transpose()? else {
        printer.remark(format_args!(
            "not found within {patience} s: raise --timeout"
        ));
        return Ok(Exit::Nothing);
    };
    let Some((chain, verdict)) = found else {
        printer.remark(format_args!(
            "no certificate of {name} was found: it is there while its owner, or somebody else, publishes it"
        ));
        return Ok(Exit::Nothing);
    };
    show(&chain, verdict.as_ref(), printer)?;
    if let Some(judge) = &judge {
        judge.remark_outdated(now(), printer);
    }
    if verdict.is_some_and(|verdict| !verdict.is_trusted()) {
        return Ok(Exit::Nothing);
    }
    if let Some(out) = &args.out {
        write_new(out, chain_to_pem(&chain).as_bytes(), Readers::All)?;
        let saved = format!("saved to {}", out.display());
        printer.say(printer.style(Style::Good, saved))?;
    }
    Ok(Exit::Done)
}

/// The first chain that is trusted, or the first of the right key at all.
async fn search(
    get: &mut Get,
    name: KeyName,
    judge: Option<&Judge>,
) -> Result<Option<(Vec<Certificate>, Option<Verdict>)>, Failure> {
    let mut first = None;
    let mut candidates = 0;
    while let Some(value) = get.next().await {
        let Some(chain) = chain_of(&value, name) else {
            continue;
        };
        let verdict = judge.map(|judge| judge.judge(&chain, now())).transpose()?;
        if verdict.as_ref().is_none_or(Verdict::is_trusted) {
            return Ok(Some((chain, verdict)));
        }
        first.get_or_insert((chain, verdict));
        candidates += 1;
        if candidates == MAX_CANDIDATES {
            break;
        }
    }
    Ok(first)
}

/// The chain in a value, if its first certificate is of the key with this name.
fn chain_of(value: &Checked, name: KeyName) -> Option<Vec<Certificate>> {
    let published = CertificateChain::from_data(value.data()).ok()?;
    let chain = Certificate::chain_from_bytes(&published.encoded).ok()?;
    let is_named = match name {
        KeyName::Long(id) => chain[0].long_id() == id,
        KeyName::Short(id) => chain[0].id() == id,
    };
    is_named.then_some(chain)
}

fn show(
    chain: &[Certificate],
    verdict: Option<&Verdict>,
    printer: &Printer,
) -> Result<(), Failure> {
    let described = describe::certificate(&chain[0]);
    let mut text = described.text(printer);
    let mut object = described.json;
    object["pem"] = chain_to_pem(chain).into();
    if let Some(verdict) = verdict {
        let judged = verdict.json(&chain[0]);
        for field in ["trusted", "reason", "refusal"] {
            object[field] = judged[field].clone();
        }
        text = format!("{text}\n{}", verdict.text(printer));
    }
    Ok(printer.result(&object, text)?)
}
