//! Our own nodes that store nothing for others.

use bulla::{Handle, Identity, Runner, identity::IdentityParameters};

use crate::peer::OpenDht;

/// A node that nobody stores anything at: what it puts and gets is with others.
pub(crate) fn client() -> Runner {
    Runner::builder()
        .bind("127.0.0.1:0".parse().unwrap())
        .workers(1)
        .client(true)
}

/// Starts a node, and waits until it has reached the other.
pub(crate) async fn join(runner: Runner, peer: &OpenDht) -> Handle {
    let peer = peer.node.address.to_string();
    let handle = runner.bootstrap(peer).start().await.unwrap();
    handle.wait_connected().await.unwrap();
    handle
}

/// A new identity, valid from the start of 2025 for ten years.
pub(crate) fn identity(name: &str) -> Identity {
    let parameters = IdentityParameters::new(name, 1_735_689_600).bits(2048);
    Identity::generate(&parameters).unwrap()
}
