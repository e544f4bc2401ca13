//! `bulla cert find`: find a certificate that was published.

use bulla_identity::CertificateChain;

use crate::args::FindArgs;
use crate::calendar::now;
use crate::describe;
use crate::exit::{Context, Exit, Failure};
use crate::file::{Readers, refuse_existing, write_new};
use crate::keyring::Keyring;
use crate::printer::{Printer, Style};
use crate::published::Published;
use crate::session::Session;
use crate::verifier::{Verdict, Verifier};

/// Prints the first certificate that fits; if it is to be trusted, the first that is.
pub(super) async fn run(args: &FindArgs, printer: &Printer) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        refuse_existing(out)?;
    }
    let verifier = match args.trusted_by.as_slice() {
        [] => None,
        trusted => Some(Verifier::read(trusted, &args.crl)?),
    };
    let name = Keyring::open()?.resolve(&args.name)?;
    let session = Session::join(&args.network, printer).await?;
    let mut published = Published::of(&session.dht, name);
    let search = search(&mut published, verifier.as_ref());
    let searched = session.in_time(search).await;
    if let Some(error) = published.error() {
        return Err(error).context(format_args!("cannot look for {name}"));
    }
    drop(published);
    let patience = session.patience();
    session.leave().await?;
    let Some(found) = searched.transpose()? else {
        printer.note(format_args!(
            "not found within {patience} s: raise --timeout"
        ));
        return Ok(Exit::Nothing);
    };
    let Some((chain, verdict)) = found else {
        printer.note(format_args!(
            "no certificate of {name} was found: it is there while its owner, or somebody else, publishes it"
        ));
        return Ok(Exit::Nothing);
    };
    show(&chain, verdict.as_ref(), printer)?;
    if let Some(verifier) = &verifier {
        verifier.note_outdated(now(), printer);
    }
    if verdict.is_some_and(|verdict| !verdict.is_trusted()) {
        return Ok(Exit::Nothing);
    }
    if let Some(out) = &args.out {
        write_new(out, chain.to_pem().as_bytes(), Readers::All)?;
        let saved = format!("saved to {}", out.display());
        printer.print(printer.style(Style::Good, saved))?;
    }
    Ok(Exit::Done)
}

/// Returns the first chain that is trusted, or the first of the right key at all.
async fn search(
    published: &mut Published,
    verifier: Option<&Verifier>,
) -> Result<Option<(CertificateChain, Option<Verdict>)>, Failure> {
    let mut first = None;
    while let Some(chain) = published.next().await {
        let verdict = verifier
            .map(|verifier| verifier.verify(&chain, now()))
            .transpose()?;
        if verdict.as_ref().is_none_or(Verdict::is_trusted) {
            return Ok(Some((chain, verdict)));
        }
        first.get_or_insert((chain, verdict));
    }
    Ok(first)
}

fn show(
    chain: &CertificateChain,
    verdict: Option<&Verdict>,
    printer: &Printer,
) -> Result<(), Failure> {
    let described = describe::certificate(chain.leaf());
    let mut text = described.text(printer);
    let mut object = described.json;
    object["pem"] = chain.to_pem().into();
    if let Some(verdict) = verdict {
        let judged = verdict.json(chain.leaf());
        for field in ["trusted", "reason", "refusal"] {
            object[field] = judged[field].clone();
        }
        text = format!("{text}\n{}", verdict.text(printer));
    }
    Ok(printer.result(&object, text)?)
}
