//! [`Command`]: what an application asks of its node, as data.
//!
//! Each command carries the slot that its reply goes into. A slot that is dropped empty tells the
//! caller that the node is closed.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bulla_identity::{Certificate, PublicKey};
use tokio::sync::oneshot::Sender;

use super::changes::ChangeWriter;
use super::error::{BootstrapError, GetError, PutError, StateError};
use super::host_port::HostPort;
use super::status::NodeInfo;
use crate::node::{Listed, LookupSnapshot, OpId, PutReport, StoredKey};
use crate::secure::{GetOptions, KeyName, Recipient, SignOptions};
use crate::wire::snapshot::Record;
use crate::{Contact, Draft, InfoHash, Query, Row, Value, ValueId};

/// One thing that the driver does for an application.
pub(crate) enum Command {
    /// Finds the values under a key.
    Get(ReadRequest),
    /// Reports what happens to the values under a key.
    Listen(ReadRequest),
    /// Finds fields of the values under a key.
    Query {
        key: InfoHash,
        query: Query,
        reply: Sender<Result<Vec<Row>, GetError>>,
    },
    /// Puts a value.
    Put {
        key: InfoHash,
        value: PutValue,
        options: SignOptions,
        reply: Sender<Result<Placed, PutError>>,
    },
    /// Ends a get or listen that is not read any more.
    Cancel { op: OpId },
    /// Stops announcing a value, and tells whether there was anything to stop.
    CancelPut {
        key: InfoHash,
        id: ValueId,
        reply: Sender<bool>,
    },
    /// Finds a certificate.
    FindCertificate {
        name: KeyName,
        reply: Sender<Result<Option<Certificate>, GetError>>,
    },
    /// Finds a public key.
    FindPublicKey {
        name: KeyName,
        reply: Sender<Result<Option<PublicKey>, GetError>>,
    },
    /// Remembers a certificate.
    RegisterCertificate {
        certificate: Certificate,
        reply: Sender<()>,
    },
    /// Tells what the node is and counts.
    Info { reply: Sender<NodeInfo> },
    /// Tells what is in the routing tables.
    ListContacts { reply: Sender<Vec<Listed>> },
    /// Tells what is stored.
    ListStored { reply: Sender<Vec<StoredKey>> },
    /// Tells of the lookups, or of those of one key.
    ListLookups {
        key: Option<InfoHash>,
        reply: Sender<Vec<LookupSnapshot>>,
    },
    /// Finds the addresses of a peer and makes contact with it.
    Bootstrap {
        peer: HostPort,
        reply: Sender<Result<(), BootstrapError>>,
    },
    /// Makes contact with addresses.
    BootstrapAddrs {
        addresses: Vec<SocketAddr>,
        reply: Sender<()>,
    },
    /// Takes in contacts that may be nodes.
    InsertContacts {
        contacts: Vec<Contact>,
        reply: Sender<()>,
    },
    /// Tells the good contacts.
    ExportContacts { reply: Sender<Vec<Contact>> },
    /// Tells the stored values.
    ExportValues { reply: Sender<Vec<Record>> },
    /// Stores values, and tells how many were stored.
    ImportValues {
        records: Vec<Record>,
        reply: Sender<usize>,
    },
    /// Has contacts prove themselves anew.
    ConnectivityChanged { reply: Sender<()> },
    /// Ends the node: not before running puts are done, but within this time.
    Shutdown {
        timeout: Duration,
        reply: Sender<Result<(), StateError>>,
    },
}

/// Which values a get or listen is for, and where they go.
pub(crate) struct ReadRequest {
    pub(crate) key: InfoHash,
    pub(crate) options: GetOptions,
    pub(crate) changes: ChangeWriter,
}

/// What is put, and what is done to it before.
#[derive(Debug)]
pub(crate) enum PutValue {
    Clear(Draft),
    Signed(Draft),
    /// For all of these.
    Encrypted(Vec<Recipient>, Draft),
    Packed(Value),
}

/// A value that has been announced to the nodes nearest to its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its id under its key.
    pub id: ValueId,
    /// Which nodes acknowledged it.
    pub report: PutReport,
}

impl Command {
    /// Returns the command's name, for logs and counts.
    fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "Get",
            Self::Listen(_) => "Listen",
            Self::Query { .. } => "Query",
            Self::Put { .. } => "Put",
            Self::Cancel { .. } => "Cancel",
            Self::CancelPut { .. } => "CancelPut",
            Self::FindCertificate { .. } => "FindCertificate",
            Self::FindPublicKey { .. } => "FindPublicKey",
            Self::RegisterCertificate { .. } => "RegisterCertificate",
            Self::Info { .. } => "Info",
            Self::ListContacts { .. } => "ListContacts",
            Self::ListStored { .. } => "ListStored",
            Self::ListLookups { .. } => "ListLookups",
            Self::Bootstrap { .. } => "Bootstrap",
            Self::BootstrapAddrs { .. } => "BootstrapAddrs",
            Self::InsertContacts { .. } => "InsertContacts",
            Self::ExportContacts { .. } => "ExportContacts",
            Self::ExportValues { .. } => "ExportValues",
            Self::ImportValues { .. } => "ImportValues",
            Self::ConnectivityChanged { .. } => "ConnectivityChanged",
            Self::Shutdown { .. } => "Shutdown",
        }
    }

    /// Returns the key that the command is about, if it is about one.
    fn key(&self) -> Option<InfoHash> {
        match self {
            Self::Get(request) | Self::Listen(request) => Some(request.key),
            Self::Query { key, .. } | Self::Put { key, .. } | Self::CancelPut { key, .. } => {
                Some(*key)
            }
            Self::ListLookups { key, .. } => *key,
            Self::Cancel { .. }
            | Self::FindCertificate { .. }
            | Self::FindPublicKey { .. }
            | Self::RegisterCertificate { .. }
            | Self::Info { .. }
            | Self::ListContacts { .. }
            | Self::ListStored { .. }
            | Self::Bootstrap { .. }
            | Self::BootstrapAddrs { .. }
            | Self::InsertContacts { .. }
            | Self::ExportContacts { .. }
            | Self::ExportValues { .. }
            | Self::ImportValues { .. }
            | Self::ConnectivityChanged { .. }
            | Self::Shutdown { .. } => None,
        }
    }
}

impl fmt::Debug for Command {
    /// The name and the key alone: what values hold is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.name());
        if let Some(key) = self.key() {
            shown.field("key", &key);
        }
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn debug_shows_the_name_and_the_key_but_no_contents() {
        let command = Command::Put {
            key: InfoHash::of(b"key"),
            value: PutValue::Signed(Draft::from("secret")),
            options: SignOptions::default(),
            reply: oneshot::channel().0,
        };
        let shown = format!("{command:?}");
        assert_eq!(command.name(), "Put");
        assert!(shown.starts_with("Put {"), "{shown}");
        assert!(shown.contains(&InfoHash::of(b"key").to_string()), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
