//! [`Trace`]: a running digest of all that nodes did. Two equal runs have the same.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::HostId;
use bulla_dht::node::Transmit;
use bulla_dht::secure::{Checked, Protection, SecureEvent};
use bulla_dht::{Content, Timestamp};

/// What came out of all nodes so far, in the order in which it came.
#[derive(Clone, Default)]
pub struct Trace {
    hasher: Sha256,
    datagrams: u64,
    bytes: u64,
    events: u64,
}

/// The value of a [`Trace`]. Equal if, and for all practical purposes only if, the runs were.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceDigest([u8; 16]);

impl Trace {
    /// Returns the digest of all so far.
    pub fn digest(&self) -> TraceDigest {
        let digest: [u8; 32] = self.hasher.clone().finalize().into();
        let (head, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        TraceDigest(*head)
    }

    /// Returns how many datagrams all nodes sent.
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// Returns the bytes in them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many events applications were told of.
    pub fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn transmit(&mut self, now: Timestamp, host: HostId, transmit: &Transmit) {
        self.datagrams += 1;
        self.bytes += transmit.bytes.len() as u64;
        let port = transmit.to.port().to_le_bytes();
        let mut to = [0; 18];
        to[..2].copy_from_slice(&port);
        match transmit.to.ip() {
            IpAddr::V4(ip) => to[2..6].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => to[2..].copy_from_slice(&ip.octets()),
        }
        self.note(now, host, &to, &transmit.bytes);
    }

    pub(super) fn event(&mut self, now: Timestamp, host: HostId, event: &SecureEvent) {
        self.events += 1;
        self.note(now, host, b"event", text_of(event).as_bytes());
    }

    pub(super) fn wake(&mut self, now: Timestamp, host: HostId, at: Timestamp) {
        self.note(now, host, b"wake", &at.as_micros().to_le_bytes());
    }

    fn note(&mut self, now: Timestamp, host: HostId, what: &[u8], bytes: &[u8]) {
        let lengths = [what.len() as u64, bytes.len() as u64];
        let numbers = [now.as_micros(), host.number(), lengths[0], lengths[1]];
        self.hasher
            .update(numbers.map(u64::to_le_bytes).as_flattened());
        self.hasher.update(what);
        self.hasher.update(bytes);
    }
}

/// An event in words of its own: digests on record depend on them, whatever the types of values are
/// called.
fn text_of(event: &SecureEvent) -> String {
    let (name, op, values) = match event {
        SecureEvent::Values { op, values } => ("Values", op, values),
        SecureEvent::Expired { op, values } => ("Expired", op, values),
        SecureEvent::Rows { .. }
        | SecureEvent::GetDone { .. }
        | SecureEvent::PutDone { .. }
        | SecureEvent::PutFailed { .. }
        | SecureEvent::Certificate { .. }
        | SecureEvent::PublicKey { .. }
        | SecureEvent::CertificateDisplaced { .. }
        | SecureEvent::StatusChanged { .. } => return format!("{event:?}"),
    };
    let texts: Vec<_> = values.iter().map(text_of_value).collect();
    format!("{name} {{ op: {op:?}, values: [{}] }}", texts.join(", "))
}

fn text_of_value(checked: &Checked) -> String {
    let value = checked.value();
    let form = match value.content() {
        Content::Clear(_) => "clear",
        Content::Signed(_) => "signed",
        Content::Encrypted(_) => "encrypted",
    };
    let signer = match (checked.signer(), checked.protection()) {
        (None, _) => "Nobody".to_owned(),
        (Some(signer), Protection::Encrypted) => format!("Sender({signer})"),
        (Some(signer), Protection::Clear | Protection::Signed) => format!("Signer({signer})"),
    };
    format!(
        "Checked {{ value: Value({}, {form}, kind {}, {} bytes), vouched: {signer} }}",
        value.id(),
        value.value_type().0,
        value.packed().len()
    )
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            datagrams,
            bytes,
            events,
            ..
        } = self;
        let digest = self.digest();
        write!(
            f,
            "{digest}: {datagrams} datagrams, {bytes} bytes, {events} events"
        )
    }
}

impl fmt::Display for TraceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_outputs_give_the_same_digest_and_any_difference_another() {
        let digest = |bytes: &'static [u8], host| {
            let mut trace = Trace::default();
            let transmit = Transmit {
                to: ([10, 0, 0, 1], 4222).into(),
                bytes: bytes.into(),
            };
            trace.transmit(Timestamp::ZERO, HostId::new(host), &transmit);
            trace.digest()
        };
        assert_eq!(digest(b"x", 1), digest(b"x", 1));
        assert_ne!(digest(b"x", 1), digest(b"y", 1));
        assert_ne!(digest(b"x", 1), digest(b"x", 2));
    }
}
