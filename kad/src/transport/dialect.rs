//! [`Dialect`]: what a transport has to be told of the messages that it carries.

use std::fmt::Debug;
use std::hash::Hash;

use super::Datagrams;
use crate::Rng;

/// The messages of one network: how they are read, and what a [`Transport`](super::Transport) must
/// know of each. What is in them besides is the caller's matter.
pub trait Dialect {
    /// The id of a node, [`Id`](crate::Id) as a rule. The default one stands for "none".
    type NodeId: Copy + Eq + Default;
    /// What joins a request and its reply.
    type TransactionId: TransactionId;
    /// A message that was read; it may borrow from its datagram.
    type Message<'a>;

    /// Returns our own id.
    fn node_id(&self) -> Self::NodeId;

    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// [`Rejected`] for what gets no answer.
    fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Self::Message<'a>, Rejected>;

    /// Returns the transaction that a message belongs to.
    fn transaction(message: &Self::Message<'_>) -> Self::TransactionId;

    /// Returns the id that the sender of a message claims, if it does.
    fn sender(message: &Self::Message<'_>) -> Option<Self::NodeId>;

    /// Returns what a message is.
    fn kind(message: &Self::Message<'_>) -> MessageKind;

    /// Writes a request that any node answers with little, by which an address is validated.
    fn ping(&mut self, transaction: Self::TransactionId) -> Datagrams;
}

/// A number that joins a request and its reply, chosen at random by the asker. The default one is
/// never used.
pub trait TransactionId: Copy + Ord + Hash + Default + Debug {
    /// Draws any number.
    fn random(rng: &mut Rng) -> Self;
}

impl TransactionId for u16 {
    fn random(rng: &mut Rng) -> Self {
        rng.number() as Self
    }
}

impl TransactionId for u32 {
    fn random(rng: &mut Rng) -> Self {
        rng.number() as Self
    }
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// Asks for something.
    Request,
    /// Answers a request.
    Reply,
    /// Refuses a request.
    Error,
    /// Carries parts of values that another message of its transaction announced.
    Part,
    /// Tells something, and belongs to no request of ours.
    Notice,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// It is no message of this dialect.
    Malformed,
    /// It is a message of another network.
    OtherNetwork,
}
