//! What goes between a [`Lookup`](super::Lookup) and the node that runs it.

use std::time::Duration;

use bulla_kad::lookup::FindRequest;
use bytes::Bytes;

use super::{Asker, GetReport, OpId, PutReport};
use crate::value::{Row, Value, ValueId};
use crate::{Contact, Timestamp};

/// What a lookup wants done next.
#[derive(Debug)]
pub(crate) enum LookupAction {
    /// Send this to that contact.
    Request(Contact, LookupRequest),
    /// The find that these wanted to know of has been answered as well as it can be.
    Answered(Vec<Asker>, GetReport),
    /// The first round of this put is over.
    Announced(OpId, PutReport),
    /// Nothing to do before this moment.
    Wait(Timestamp),
}

/// A request of a lookup.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum LookupRequest {
    /// Which nodes are near the key?
    Find,
    /// What do you hold of what this find is about? It is named by the first operation that asked.
    Get(OpId),
    /// Which value do you hold under this id? The iteration asks so in place of
    /// [`LookupRequest::Find`].
    Probe(ValueId),
    /// The same of a node that has given a token.
    Check(ValueId),
    /// Store this value.
    Put(ValueId, Bytes),
    /// Restart this value's life.
    Refresh(ValueId, Bytes),
    /// Tell me of values, on this socket.
    Listen {
        /// The listen.
        op: OpId,
        /// The number to quote in notifications.
        socket: u32,
        /// The write token.
        token: Bytes,
    },
}

impl LookupRequest {
    /// Reports whether it is a request of the iteration, of which a candidate is asked one at a
    /// time.
    pub(crate) fn is_of_iteration(&self) -> bool {
        self.of_iteration().is_some()
    }

    /// Returns the write token that it quotes.
    pub(super) fn token(&self) -> Option<&Bytes> {
        match self {
            Self::Put(_, token) | Self::Refresh(_, token) | Self::Listen { token, .. } => {
                Some(token)
            }
            Self::Find | Self::Get(_) | Self::Probe(_) | Self::Check(_) => None,
        }
    }

    /// Returns the request of the iteration that this is.
    pub(super) fn of_iteration(&self) -> Option<FindRequest<ValueId>> {
        match self {
            Self::Find => Some(FindRequest::Node),
            Self::Get(op) => Some(FindRequest::Value(*op)),
            Self::Probe(id) => Some(FindRequest::Other(*id)),
            Self::Check(_) | Self::Put(..) | Self::Refresh(..) | Self::Listen { .. } => None,
        }
    }
}

impl From<FindRequest<ValueId>> for LookupRequest {
    fn from(request: FindRequest<ValueId>) -> Self {
        match request {
            FindRequest::Node => Self::Find,
            FindRequest::Value(op) => Self::Get(op),
            FindRequest::Other(id) => Self::Probe(id),
        }
    }
}

/// What a node answered.
#[derive(Debug, Default)]
pub(crate) struct LookupReply<'a> {
    /// Its write token.
    pub(crate) token: Option<Bytes>,
    /// Nodes it named.
    pub(crate) contacts: Vec<Contact>,
    /// Whether it had values or rows.
    pub(crate) found: bool,
    /// For [`LookupRequest::Probe`] and [`LookupRequest::Check`]: what it holds under the id.
    pub(crate) held: Option<&'a Row>,
    /// The same, if it sent the whole value.
    pub(crate) held_value: Option<&'a Value>,
    /// For [`LookupRequest::Listen`]: how long before it is to be asked again.
    pub(crate) renewal: Duration,
}
