//! `bulla put`: put a value under a key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bulla::secure::{KeyName, Recipient};
use bulla::{Draft, Placed, PutError, Value, ValueId, ValueType};

use crate::args::PutArgs;
use crate::exit::{Context, Exit, Failure};
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::session::{Session, require_identity};
use crate::trust_rules::resolve_all;
use crate::{json, text};

/// Puts the value, and prints how many nodes hold it.
pub(crate) async fn run(args: &PutArgs, printer: &Printer) -> Result<Exit, Failure> {
    if args.signed || !args.encrypt_for.is_empty() {
        require_identity(&args.network, "the value is to be signed")?;
    }
    let draft = draft(args)?;
    let readers = resolve_all(&args.encrypt_for)?;
    let session = Session::join(&args.network, printer).await?;
    let mut put = match &readers[..] {
        [] if args.signed => session.dht.put_signed(args.key, draft),
        [] => session.dht.put(args.key, draft),
        readers => {
            let readers = readers.iter().copied().map(Recipient::Name);
            session.dht.put_encrypted_to_many(args.key, readers, draft)
        }
    };
    put = put.scope(args.bound.scope());
    let mut interrupt = None;
    if args.permanent {
        put = put.permanent();
        interrupt = Some(Interrupt::install()?);
    }
    let puts = async {
        if args.compatible {
            put.compatible().await
        } else {
            vec![put.await]
        }
    };
    let Some(placed) = session.in_time(puts).await else {
        printer.note(format_args!(
            "not acknowledged within {} s: raise --timeout",
            session.patience()
        ));
        return Ok(Exit::Nothing);
    };
    let is_under_way = placed.iter().any(Result::is_ok);
    let mut exit = Exit::Done;
    for (place, placed) in placed.into_iter().enumerate() {
        let reader = readers.get(place).filter(|_| args.compatible);
        if !report(args, reader, placed, printer)? {
            exit = Exit::Nothing;
        }
    }
    if let Some(interrupt) = interrupt.as_mut().filter(|_| is_under_way) {
        interrupt.wait().await;
    }
    session.leave().await?;
    Ok(exit)
}

/// Prints what became of a put, of one for this reader alone if there is one, and returns whether a
/// node holds the value.
fn report(
    args: &PutArgs,
    reader: Option<&KeyName>,
    placed: Result<Placed, PutError>,
    printer: &Printer,
) -> Result<bool, Failure> {
    let placed = match placed {
        Err(PutError::NoCertificate) => {
            let whose = match reader {
                Some(reader) => format!("the certificate of {reader}"),
                None => "a recipient's certificate".to_owned(),
            };
            printer.note(format_args!(
                "{whose} was not found: it is there while its owner runs a node with that identity",
            ));
            return Ok(false);
        }
        placed => placed.context(format_args!("cannot put under {}", args.key))?,
    };
    let mut object = json::put(args.key, &placed);
    let mut text = text::put(&placed, printer);
    if let Some(reader) = reader {
        object["reader"] = reader.to_string().into();
        text = format!("{text}, for {reader}");
    }
    printer.result(&object, text)?;
    let is_held = placed.report.acknowledged > 0;
    if !is_held {
        printer.note(format_args!(
            "no node acknowledged the value: {}",
            text::holders(&placed.report)
        ));
    }
    Ok(is_held)
}

fn draft(args: &PutArgs) -> Result<Draft, Failure> {
    let data = match (&args.value, &args.file) {
        (Some(text), _) if text != "-" => text.clone().into_bytes(),
        (_, Some(path)) if path != Path::new("-") => {
            let doing = format!("cannot read {}", path.display());
            read(File::open(path).context(&doing)?).context(&doing)?
        }
        _ => read(io::stdin().lock()).context("cannot read standard input")?,
    };
    if data.len() > Value::MAX_CONTENT {
        return Err(Failure::new(format!(
            "the value is too large: at most {} bytes can be stored",
            Value::MAX_CONTENT
        )));
    }
    Ok(Draft::from(data)
        .id(ValueId(args.id.unwrap_or(0)))
        .value_type(ValueType(args.kind))
        .user_type(args.user_type.clone()))
}

/// Reads all input up to the greatest length of a value, and a byte more to detect that it is
/// longer.
fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    source
        .take(Value::MAX_CONTENT as u64 + 1)
        .read_to_end(&mut data)?;
    Ok(data)
}
