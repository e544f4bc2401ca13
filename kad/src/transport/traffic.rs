//! [`Traffic`]: datagrams counted.

/// Datagrams counted since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Dropped: from an address that no node can have, or that broke the protocol.
    pub dropped_source: u64,
    /// Dropped: not a message, or one with a field of a wrong type.
    pub dropped_malformed: u64,
    /// Dropped: of another network.
    pub dropped_network: u64,
    /// Dropped: more requests than the limits allow.
    pub dropped_rate: u64,
    /// Dropped: a reply or a part that belongs to no request of ours.
    pub dropped_unexpected: u64,
}
