//! What a node tells the application, and what it has checked.

use std::net::SocketAddr;

use crate::lookup::{GetReport, OpId, PutReport};
use crate::value::policy::Proof;
use crate::value::{Row, Value};
use crate::{Family, InfoHash};

/// Something the application waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Values found by a get, or new and edited ones for a listen. Not verified.
    Values {
        /// The get or listen.
        op: OpId,
        /// Each content once, in the order of arrival.
        values: Vec<Value>,
    },
    /// Values that a listen reported and that no storing node holds any more.
    Expired {
        /// The listen.
        op: OpId,
        /// As they were reported.
        values: Vec<Value>,
    },
    /// Field rows found by a query.
    Rows {
        /// The query.
        op: OpId,
        /// Each row once.
        rows: Vec<Row>,
    },
    /// A get or query is over; nothing more comes for it.
    GetDone {
        /// The get or query.
        op: OpId,
        /// How well it was answered.
        report: GetReport,
    },
    /// A put has been announced to all nodes nearest to its key. Later announcements of a
    /// permanent one are not reported.
    PutDone {
        /// The put.
        op: OpId,
        /// How many nodes hold the value.
        report: PutReport,
    },
    /// How well the node is connected has changed.
    StatusChanged {
        /// The address family.
        family: Family,
        /// Its new status.
        status: Status,
    },
}

impl Event {
    /// Returns the event, unless it is one of values or rows and there are none.
    pub(super) fn unless_empty(self) -> Option<Self> {
        let is_empty = match &self {
            Self::Values { values, .. } | Self::Expired { values, .. } => values.is_empty(),
            Self::Rows { rows, .. } => rows.is_empty(),
            Self::GetDone { .. } | Self::PutDone { .. } | Self::StatusChanged { .. } => false,
        };
        (!is_empty).then_some(self)
    }
}

/// How well a family is connected (`docs/spec/node.md#3.2`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Status {
    /// No node known, none asked.
    #[default]
    Disconnected,
    /// Nodes known or asked, none good yet.
    Connecting,
    /// At least one good node.
    Connected,
}

/// A value of another node that is stored only if a proof holds.
#[derive(Clone, Debug)]
pub struct Check {
    /// Names the check in `handle_verdict`.
    pub id: CheckId,
    /// Where it came from, for fairness among sources.
    pub source: SocketAddr,
    /// The key it was put under.
    pub key: InfoHash,
    /// The value in question.
    pub value: Value,
    /// The value it would replace, if any.
    pub replaces: Option<Value>,
    /// What must hold.
    pub proof: Proof,
}

/// Names a [`Check`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckId(pub(crate) u64);
