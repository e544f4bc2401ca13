//! [`Subscription`]: one listen: at which nodes it is subscribed, and when each is to be asked
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Contact, Timestamp};

/// What is due within this time of each other is done at once.
const TOGETHER: Duration = Duration::from_secs(1);

/// A listen on the nodes nearest to a key.
#[derive(Default, Debug)]
pub(super) struct Subscription {
    nodes: BTreeMap<Contact, NodeSubscription>,
}

/// The subscription at one storing node.
#[derive(Clone, Copy, Debug)]
struct NodeSubscription {
    socket: u32,
    state: SubscriptionState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SubscriptionState {
    /// The storing node is asked, for the first time or again.
    Asked,
    /// The storing node agreed; ask again then.
    Active { renew_at: Timestamp },
    /// The storing node refused our token; ask again with a new one.
    Rejected,
}

impl Subscription {
    pub(super) fn is_due(&self, node: &Contact, now: Timestamp) -> bool {
        match self.nodes.get(node).map(|node_state| node_state.state) {
            None | Some(SubscriptionState::Rejected) => true,
            Some(SubscriptionState::Active { renew_at }) => now + TOGETHER >= renew_at,
            Some(SubscriptionState::Asked) => false,
        }
    }

    /// Returns when the first node is to be asked again, if all of the `nearest` have agreed.
    pub(super) fn renews_at(&self, nearest: &[Contact]) -> Option<Timestamp> {
        let renewal = |node_state: &NodeSubscription| match node_state.state {
            SubscriptionState::Active { renew_at } => Some(renew_at),
            SubscriptionState::Asked | SubscriptionState::Rejected => None,
        };
        let agreed = |node| self.nodes.get(node).and_then(renewal).is_some();
        let renewals = self.nodes.values().filter_map(renewal);
        let first = renewals.min().unwrap_or(Timestamp::MAX);
        nearest.iter().all(agreed).then_some(first)
    }

    /// Reports whether a reply of `node` is on its way.
    pub(super) fn awaits(&self, node: &Contact) -> bool {
        let node_state = self.nodes.get(node);
        node_state.is_some_and(|node_state| node_state.state == SubscriptionState::Asked)
    }

    /// Notes that `node` is being asked; returns the socket to name, the one in use or else
    /// `fresh`.
    pub(super) fn on_asked(&mut self, node: Contact, fresh: u32) -> u32 {
        let node_state = self.nodes.entry(node).or_insert(NodeSubscription {
            socket: fresh,
            state: SubscriptionState::Asked,
        });
        node_state.state = SubscriptionState::Asked;
        node_state.socket
    }

    pub(super) fn on_agreed(&mut self, node: &Contact, renew_at: Timestamp) {
        if let Some(node_state) = self.nodes.get_mut(node) {
            node_state.state = SubscriptionState::Active { renew_at };
        }
    }

    pub(super) fn on_rejected(&mut self, node: &Contact) {
        if let Some(node_state) = self.nodes.get_mut(node) {
            node_state.state = SubscriptionState::Rejected;
        }
    }

    /// Ends the subscription at `node`; returns its socket.
    pub(super) fn on_failed(&mut self, node: &Contact) -> Option<u32> {
        self.nodes.remove(node).map(|node_state| node_state.socket)
    }

    /// Ends the subscriptions that are due for renewal at nodes not among `nearest`; returns their
    /// sockets.
    pub(super) fn retire(&mut self, nearest: &[Contact], now: Timestamp) -> Vec<u32> {
        let retired: Vec<_> = self
            .nodes
            .keys()
            .filter(|node| !nearest.contains(node) && self.is_due(node, now))
            .copied()
            .collect();
        retired
            .iter()
            .filter_map(|node| self.on_failed(node))
            .collect()
    }

    /// Reports whether it was asked for anywhere.
    pub(super) fn has_begun(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Iterates over the sockets in use.
    pub(super) fn sockets(&self) -> impl Iterator<Item = u32> {
        self.nodes.values().map(|node_state| node_state.socket)
    }
}
