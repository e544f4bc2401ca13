//! `bulla put`: put a value under a key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bulla::runner::PutError;
use bulla::secure::Recipient;
use bulla::{Draft, Kind, Value, ValueId, secure};

use crate::cli::args::PutArgs;
use crate::cli::exit::{During, Exit, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::printer::Printer;
use crate::cli::session::{Session, require_identity};
use crate::cli::{json, text};

/// Puts the value, and says who holds it.
pub(crate) async fn run(args: &PutArgs, printer: &Printer) -> Result<Exit, Failure> {
    if args.signed || args.encrypt_for.is_some() {
        require_identity(&args.network, "the value is to be signed")?;
    }
    let draft = draft(args)?;
    let session = Session::join(&args.network, printer).await?;
    let mut put = match args.encrypt_for {
        Some(name) => session
            .dht
            .put_encrypted(args.key, Recipient::Name(name), draft),
        None if args.signed => session.dht.put_signed(args.key, draft),
        None => session.dht.put(args.key, draft),
    };
    let mut interrupt = None;
    if args.permanent {
        put = put.permanent();
        interrupt = Some(Interrupt::install()?);
    }
    let Some(placed) = session.in_time(put.into_future()).await else {
        printer.remark(format_args!(
            "not acknowledged within {} s: raise --timeout",
            session.patience()
        ));
        return Ok(Exit::Nothing);
    };
    let placed = match placed {
        Err(PutError::Refused(secure::PutError::NoCertificate)) => {
            printer.remark(
                "the recipient's certificate was not found: it is there while the recipient runs a node with its identity",
            );
            return Ok(Exit::Nothing);
        }
        placed => placed.during(format_args!("cannot put under {}", args.key))?,
    };
    printer.result(&json::put(args.key, &placed), text::put(&placed, printer))?;
    if let Some(interrupt) = &mut interrupt {
        interrupt.wait().await;
    }
    session.leave().await?;
    if placed.report.acknowledged == 0 {
        printer.remark(format_args!(
            "no node acknowledged the value: {}",
            text::holders(&placed.report)
        ));
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Done)
}

fn draft(args: &PutArgs) -> Result<Draft, Failure> {
    let data = match (&args.value, &args.file) {
        (Some(text), _) if text != "-" => text.clone().into_bytes(),
        (_, Some(path)) if path != Path::new("-") => {
            let doing = format!("cannot read {}", path.display());
            read(File::open(path).during(&doing)?).during(&doing)?
        }
        _ => read(io::stdin().lock()).during("cannot read standard input")?,
    };
    if data.len() > Value::MAX_CONTENT {
        return Err(Failure::new(format!(
            "the value is too large: at most {} bytes can be stored",
            Value::MAX_CONTENT
        )));
    }
    Ok(Draft::from(data)
        .id(ValueId(args.id.unwrap_or(0)))
        .kind(Kind(args.kind))
        .user_type(args.user_type.clone()))
}

/// Reads all there is, as far as a value can hold it, and a byte more to tell that it cannot.
fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    source
        .take(Value::MAX_CONTENT as u64 + 1)
        .read_to_end(&mut data)?;
    Ok(data)
}
