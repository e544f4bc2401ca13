//! [`Pending`]: operations of the application that are being prepared ([`Preparation`]), which the
//! node does not know of yet, and [`InternalOp`]s, which the application does not know of.

use std::collections::BTreeMap;

use super::key_cache::KeyName;
use crate::InfoHash;
use crate::lookup::OpId;
use crate::value::ValueAddress;

/// Which part of the secure layer an operation belongs to, until it is the application's.
#[derive(Debug)]
pub(super) struct Pending {
    /// Operations of the application in which the node has no part yet.
    preparing: BTreeMap<OpId, Preparation>,
    /// Operations of the node that the application does not know of.
    internal: BTreeMap<OpId, InternalOp>,
    /// How many may be prepared at a time.
    max_preparations: usize,
}

/// What an operation of the application waits for before the node has a part in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preparation {
    /// For the signature of the value that it puts here.
    Signed(ValueAddress),
    /// For the ciphertext of the value that it puts here.
    Encrypted(ValueAddress),
    /// For a certificate of this name, which is all it wants.
    Search(KeyName),
}

/// What an operation of the node is for, if not for the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InternalOp {
    /// Looks for earlier editions of a value to be signed.
    Probe(ValueAddress),
    /// Looks for a certificate.
    Search(KeyName),
    /// Announces the own certificate.
    Publication,
    /// Looks at the own certificate under this key.
    Look(InfoHash),
}

impl Pending {
    pub(super) fn new(max_preparations: usize) -> Self {
        Self {
            preparing: BTreeMap::new(),
            internal: BTreeMap::new(),
            max_preparations,
        }
    }

    /// Reports whether no more can be prepared.
    pub(super) fn is_full(&self) -> bool {
        self.preparing.len() >= self.max_preparations
    }

    /// Counts the operations that are being prepared.
    pub(super) fn preparations(&self) -> usize {
        self.preparing.len()
    }

    /// Notes what an operation of the application waits for.
    pub(super) fn prepare(&mut self, op: OpId, preparation: Preparation) {
        self.preparing.insert(op, preparation);
    }

    /// Returns what an operation of the application waits for.
    pub(super) fn preparation(&self, op: OpId) -> Option<Preparation> {
        self.preparing.get(&op).copied()
    }

    /// Forgets an operation that is no longer prepared, and returns what it waited for.
    pub(super) fn end_preparation(&mut self, op: OpId) -> Option<Preparation> {
        self.preparing.remove(&op)
    }

    /// Lists the puts of one value that are being prepared.
    pub(super) fn puts_of(&self, address: ValueAddress) -> Vec<OpId> {
        self.preparing
            .iter()
            .filter(|(_, preparation)| preparation.address() == Some(address))
            .map(|(op, _)| *op)
            .collect()
    }

    /// Notes what an operation of the node is for.
    pub(super) fn begin_internal(&mut self, op: OpId, internal: InternalOp) {
        self.internal.insert(op, internal);
    }

    /// Returns what an operation of the node is for, if it is not for the application.
    pub(super) fn internal(&self, op: OpId) -> Option<InternalOp> {
        self.internal.get(&op).copied()
    }

    /// Forgets an operation of the node.
    pub(super) fn end_internal(&mut self, op: OpId) {
        self.internal.remove(&op);
    }

    #[cfg(test)]
    pub(super) fn internal_ops(&self) -> usize {
        self.internal.len()
    }
}

impl Preparation {
    /// Returns where the value will be that is being prepared.
    fn address(&self) -> Option<ValueAddress> {
        match self {
            Self::Signed(address) | Self::Encrypted(address) => Some(*address),
            Self::Search(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::alice;
    use super::*;
    use crate::InfoHash;
    use crate::value::ValueId;

    fn address(id: u64) -> ValueAddress {
        ValueAddress {
            key: InfoHash::from_key("diary"),
            id: ValueId(id),
        }
    }

    #[test]
    fn no_more_is_prepared_than_allowed() {
        let mut pending = Pending::new(2);
        for op in 1..=2 {
            assert!(!pending.is_full());
            pending.prepare(OpId(op), Preparation::Signed(address(1)));
        }
        assert!(pending.is_full());
        assert_eq!(pending.preparations(), 2);
        let ended = pending.end_preparation(OpId(1));
        assert_eq!(ended, Some(Preparation::Signed(address(1))));
        assert_eq!(pending.preparation(OpId(1)), None);
        assert!(!pending.is_full());
    }

    #[test]
    fn puts_are_found_by_their_value() {
        let mut pending = Pending::new(8);
        let name = KeyName::from(alice().id());
        pending.prepare(OpId(1), Preparation::Encrypted(address(7)));
        pending.prepare(OpId(2), Preparation::Signed(address(8)));
        pending.prepare(OpId(3), Preparation::Search(name));
        pending.prepare(OpId(4), Preparation::Signed(address(7)));
        assert_eq!(pending.puts_of(address(7)), [OpId(1), OpId(4)]);
        assert_eq!(pending.puts_of(address(9)), []);
    }

    #[test]
    fn an_internal_operation_is_known_until_it_ends() {
        let mut pending = Pending::new(0);
        pending.begin_internal(OpId(1), InternalOp::Probe(address(7)));
        let probe = Some(InternalOp::Probe(address(7)));
        assert_eq!(pending.internal(OpId(1)), probe);
        pending.end_internal(OpId(1));
        assert_eq!(pending.internal(OpId(1)), None);
    }
}
