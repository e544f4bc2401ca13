//! `bulla identity`: make, keep, show and exchange identities.

mod default;
mod export;
mod import;
mod list;
mod new;
mod passwd;
mod remove;
mod show;
mod verify;

use std::path::Path;

use bulla_identity::Certificate;

use crate::args::{Deferred, IdentityCommand};
use crate::certificates::read_chain;
use crate::exit::{Exit, Failure};
use crate::printer::Printer;

/// Runs one of the identity commands.
pub(crate) fn run(command: &IdentityCommand, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        IdentityCommand::New(Deferred(args)) => new::run(args, printer),
        IdentityCommand::List => list::run(printer),
        IdentityCommand::Show { identity } => show::run(identity.as_deref(), printer),
        IdentityCommand::Export(Deferred(args)) => export::run(args, printer),
        IdentityCommand::Import(Deferred(args)) => import::run(args, printer),
        IdentityCommand::Passwd(Deferred(args)) => passwd::run(args, printer),
        IdentityCommand::Default { name, none } => default::run(name.as_ref(), *none, printer),
        IdentityCommand::Remove { name, yes } => remove::run(name, *yes, printer),
        IdentityCommand::Verify { certificate, ca } => {
            verify::run(certificate, ca.as_ref(), printer)
        }
    }
}

/// Reads the certificate of an identity, which is the first of its chain.
fn read_certificate(path: &Path) -> Result<Certificate, Failure> {
    // A chain that was read is never empty.
    read_chain(path).map(|chain| chain.leaf().clone())
}
