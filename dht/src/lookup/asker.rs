//! [`Asker`]: what a find is for.

use super::OpId;

/// What wants to know the outcome of a find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// The node itself, which looks up an id to learn the nodes near it.
    NodeLookup,
    /// An operation of the application.
    Operation(OpId),
}

/// The id of a node lookup in an iteration; operations are numbered from 1.
const NODE_LOOKUP: OpId = OpId(0);

impl From<OpId> for Asker {
    fn from(name: OpId) -> Self {
        if name == NODE_LOOKUP {
            Self::NodeLookup
        } else {
            Self::Operation(name)
        }
    }
}

impl From<Asker> for OpId {
    fn from(asker: Asker) -> Self {
        match asker {
            Asker::NodeLookup => NODE_LOOKUP,
            Asker::Operation(op) => op,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_asks() {
        for asker in [Asker::NodeLookup, Asker::Operation(OpId(1))] {
            assert_eq!(Asker::from(OpId::from(asker)), asker);
        }
        assert_eq!(Asker::from(OpId(1)), Asker::Operation(OpId(1)));
    }
}
