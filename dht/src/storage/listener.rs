//! [`Listener`]: a remote node that wants to hear of the values under a key.

use std::mem::size_of;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::{Condition, Query};

/// A remote node that listens on a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Whom to tell.
    pub addr: SocketAddr,
    /// The number under which it wants to be told.
    pub socket: u32,
    /// The version of the listen protocol it speaks: 0 takes bare replies, 1 and above `update` requests.
    pub version: u8,
    /// Most listeners have none.
    pub(super) query: Option<Box<Query>>,
}

impl Listener {
    /// The most memory that a query may take, in bytes: many times what a sensible one needs.
    pub const MAX_QUERY_BYTES: usize = 1_024;

    /// A listener at `addr` that wants to be told, under the number `socket`, of the values that meet `query`.
    pub fn new(addr: SocketAddr, socket: u32, version: u8, query: Query) -> Self {
        Self {
            addr,
            socket,
            version,
            query: (!query.is_empty()).then(|| Box::new(detached(query))),
        }
    }

    /// What it wants to hear of; `None` for whole values, all of them.
    pub fn query(&self) -> Option<&Query> {
        self.query.as_deref()
    }

    pub(super) fn query_bytes(&self) -> usize {
        let conditions = self.query().map_or(&[][..], |query| &query.conditions);
        conditions
            .iter()
            .map(|condition| match condition {
                Condition::UserType(text) => size_of::<Condition>() + text.len(),
                Condition::Id(_) | Condition::ValueType(_) | Condition::Owner(_) => {
                    size_of::<Condition>()
                }
            })
            .sum()
    }
}

/// The same query in memory of its own: its texts may be part of a larger datagram.
fn detached(mut query: Query) -> Query {
    for condition in &mut query.conditions {
        if let Condition::UserType(text) = condition {
            *text = Bytes::copy_from_slice(text);
        }
    }
    query.conditions.shrink_to_fit();
    query
}
