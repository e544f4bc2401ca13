//! A transport of messages of five bytes: kind, network, sender, transaction id.

use bytes::Bytes;

use super::*;
use crate::{Id, Seed};

const MS: Duration = Duration::from_millis(1);
const START: Timestamp = Timestamp::ZERO;
const OWN: u8 = 1;
const OTHER: u8 = 2;
const NETWORK: u8 = 7;
/// A reply of so many bytes is small.
const SMALL: usize = 512;

struct TestDialect;

impl Dialect for TestDialect {
    type NodeId = Id<1>;
    type TransactionId = u16;
    type Message<'a> = [u8; 5];

    fn node_id(&self) -> Id<1> {
        Id::new([OWN])
    }

    fn decode(&self, datagram: &[u8]) -> Result<[u8; 5], Rejected> {
        let message: [u8; 5] = datagram.try_into().map_err(|_| Rejected::Malformed)?;
        if message[1] == NETWORK {
            Ok(message)
        } else {
            Err(Rejected::OtherNetwork)
        }
    }

    fn transaction(message: &[u8; 5]) -> u16 {
        u16::from_be_bytes([message[3], message[4]])
    }

    fn sender(message: &[u8; 5]) -> Option<Id<1>> {
        // That of a node which does not tell its id.
        (message[2] != 0xff).then(|| Id::new([message[2]]))
    }

    fn kind(message: &[u8; 5]) -> MessageKind {
        match message[0] {
            b'q' => MessageKind::Request,
            b'r' => MessageKind::Reply,
            b'e' => MessageKind::Error,
            b'p' => MessageKind::Part,
            _ => MessageKind::Notice,
        }
    }

    fn ping(&mut self, id: u16) -> Datagrams {
        datagrams(b'q', id)
    }
}

/// What a request is for: whether a lookup.
impl Purpose for bool {
    fn is_for_lookup(&self) -> bool {
        *self
    }
}

/// A transport with what it has sent.
struct TestNode {
    transport: Transport<TestDialect, bool>,
    rng: Rng,
    now: Timestamp,
}

impl TestNode {
    fn new() -> Self {
        Self::with(&TransportConfig::default())
    }

    fn with(config: &TransportConfig) -> Self {
        let config = TransportConfig {
            unvalidated_reply_bytes: SMALL,
            ..config.clone()
        };
        Self {
            transport: Transport::new(TestDialect, &config),
            rng: Seed::from_number(1).public(),
            now: START,
        }
    }

    /// Sends a request; returns its id.
    fn ask(&mut self, to: u16, is_for_lookup: bool) -> u16 {
        let id = self.transport.fresh_id(&mut self.rng).unwrap();
        let request = datagrams(b'q', id);
        let to = peer(to);
        self.transport
            .request(self.now, id, to, request, is_for_lookup);
        id
    }

    /// Lets a peer reply to a request, and so validates it.
    fn validate(&mut self, from: u16) {
        let id = self.ask(from, true);
        assert_eq!(self.close(from, id), Some(true));
        self.sent();
    }

    fn close(&mut self, from: u16, id: u16) -> Option<bool> {
        self.transport.close(self.now, peer(from), id)
    }

    fn reply(&mut self, to: u16, bytes: usize) {
        let reply = Bytes::from(vec![b'r'; bytes]);
        let to = peer(to);
        if !self.transport.reply(self.now, to, reply.into()) {
            let request = (bytes as u32).to_be_bytes();
            self.transport.defer(self.now, &mut self.rng, to, &request);
        }
    }

    fn admits(&mut self, from: u16, message: &[u8]) -> bool {
        let admitted = self.transport.admit(self.now, peer(from), message);
        admitted.is_some()
    }

    /// Takes all that is to be sent: to which port, how many bytes.
    fn sent(&mut self) -> Vec<(u16, usize)> {
        std::iter::from_fn(|| self.transport.poll_transmit())
            .map(|transmit| (transmit.to.port(), transmit.bytes.len()))
            .collect()
    }

    fn part(&mut self, from: u16, id: u16, offset: usize, data: &[u8]) -> Option<Completed<Bytes>> {
        let index = 0;
        let part = Part {
            index,
            offset,
            data,
        };
        self.transport.part(self.now, peer(from), id, &part)
    }

    fn assemble(&mut self, from: u16, id: u16, size: usize) -> Option<Completed<Bytes>> {
        let (slots, head) = ([Slot::Announced(size)], Bytes::from_static(b"head"));
        self.transport
            .assemble(self.now, peer(from), id, slots, head)
    }

    fn traffic(&self) -> Traffic {
        self.transport.traffic()
    }
}

#[test]
fn what_no_node_can_send_is_dropped_and_counted() {
    let mut net = TestNode::new();
    let request = message(b'q', OTHER, 5);
    assert!(!net.admits(0, &request), "port 0 is martian");
    net.transport.peers_mut().block(START, peer(9));
    assert!(!net.admits(9, &request));
    assert_eq!(net.traffic().dropped_source, 2);
    assert!(!net.admits(2, b"short"[..4].as_ref()));
    assert!(!net.admits(2, &message(b'q', OWN, 5)), "our own id");
    assert!(!net.admits(2, &message(b'q', 0, 5)), "no id");
    assert_eq!(net.traffic().dropped_malformed, 3);
    assert!(!net.admits(2, &[b'q', NETWORK + 1, OTHER, 0, 5]));
    assert_eq!(net.traffic().dropped_network, 1);
    assert!(!net.admits(2, &message(b'n', OTHER, 5)), "a notice");
    assert_eq!(net.traffic().dropped_unexpected, 1);
    assert!(net.admits(2, &request));
    assert!(net.admits(2, &message(b'q', 0xff, 5)), "it tells no id");
    assert_eq!(net.traffic().received, 9);
}

#[test]
fn requests_above_the_rate_of_a_source_are_dropped() {
    let mut net = TestNode::with(&TransportConfig {
        peer_rate_limit_per_sec: Some(2),
        ..TransportConfig::default()
    });
    let request = message(b'q', OTHER, 5);
    assert!(net.admits(2, &request) && net.admits(3, &request));
    assert!(!net.admits(2, &request));
    assert_eq!(net.traffic().dropped_rate, 1);
    net.now = START + 1_000 * MS;
    assert!(net.admits(2, &request));
}

#[test]
fn a_reply_is_let_in_if_its_request_is_in_flight_to_that_address() {
    let mut net = TestNode::new();
    let id = net.ask(2, true);
    for kind in [b'r', b'e'] {
        assert!(
            !net.admits(3, &message(kind, OTHER, id)),
            "it was not asked"
        );
        assert!(!net.admits(2, &message(kind, OTHER, id ^ 1)));
        assert!(net.admits(2, &message(kind, OTHER, id)));
    }
    assert_eq!(net.traffic().dropped_unexpected, 4);
    assert!(!net.admits(2, &message(b'r', OWN, id)));
    assert_eq!(net.traffic().dropped_malformed, 1);
    assert_eq!(net.close(3, id), None);
    assert_eq!(net.close(2, id), Some(true));
    assert!(!net.admits(2, &message(b'r', OTHER, id)), "it is closed");
    assert_eq!(net.traffic().dropped_unexpected, 5);
}

#[test]
fn a_small_reply_goes_to_any_address_and_a_large_one_to_a_validated_one() {
    let mut net = TestNode::new();
    net.reply(2, SMALL);
    assert_eq!(net.sent(), [(2, SMALL)]);
    net.reply(2, SMALL + 1);
    assert_eq!(net.sent(), [(2, 5)], "a ping");
    net.validate(3);
    net.reply(3, SMALL + 1);
    assert_eq!(net.sent(), [(3, SMALL + 1)]);
    let parts = vec![Bytes::from_static(b"part")];
    let head = Bytes::from_static(b"head");
    let (now, in_parts) = (net.now, Datagrams { head, parts });
    let is_sent = net.transport.reply(now, peer(4), in_parts.clone());
    assert!(!is_sent, "parts are no small datagram");
    assert!(net.transport.reply(now, peer(3), in_parts));
    assert_eq!(net.sent(), [(3, 4), (3, 4)]);
    assert_eq!(net.traffic().sent, 6);
}

#[test]
fn deferred_requests_come_back_when_their_address_answers_a_ping() {
    let mut net = TestNode::new();
    net.reply(2, 900);
    net.reply(2, 950);
    let ping = net.transport.poll_transmit().unwrap();
    assert_eq!(ping.to, peer(2));
    assert_eq!(net.sent(), [], "one ping is enough");
    assert_eq!(net.transport.pending_count(), 1);
    assert_eq!(net.transport.lookup_count(), 0, "no lookup waits for it");
    let id = TestDialect::transaction(ping.bytes[..].try_into().unwrap());
    net.now = START + 5 * MS;
    assert_eq!(net.close(2, id), None, "the caller did not ask");
    let requests = net.transport.take_deferred(&peer(2));
    assert_eq!(requests, [&900u32.to_be_bytes()[..], &950u32.to_be_bytes()]);
    net.reply(2, 950);
    assert_eq!(net.sent(), [(2, 950)]);
}

#[test]
fn an_address_that_answers_no_ping_is_not_pinged_again_at_once() {
    let mut net = TestNode::new();
    net.reply(2, 900);
    net.sent();
    while let Some(at) = net.transport.next_deadline() {
        net.now = at;
        assert!(net.transport.poll_no_reply(at).is_none(), "of no concern");
    }
    assert!(net.transport.peers().is_unresponsive(&peer(2)));
    assert_eq!(net.sent(), [(2, 5); 2], "the ping, twice again");
    net.reply(2, 900);
    assert_eq!(net.sent(), []);
    net.now = START + Duration::from_secs(31);
    net.transport.poll_no_reply(net.now);
    net.reply(2, 900);
    assert_eq!(net.sent(), [(2, 5)]);
}

#[test]
fn a_request_without_a_reply_is_sent_again_and_fails() {
    let mut net = TestNode::new();
    net.ask(2, true);
    net.ask(3, false);
    assert_eq!(net.transport.pending_count(), 2);
    assert_eq!(net.transport.lookup_count(), 1);
    let (mut time_outs, mut failed) = (Vec::new(), Vec::new());
    while let Some(at) = net.transport.next_deadline() {
        assert!(net.transport.poll_no_reply(at - MS).is_none());
        while let Some(no_reply) = net.transport.poll_no_reply(at) {
            match no_reply {
                NoReply::TimedOut { purpose, count, .. } => time_outs.push((purpose, count)),
                NoReply::Failed {
                    to,
                    asked_at,
                    purpose,
                } => failed.push((to, asked_at, purpose, at)),
                NoReply::Held { .. } | NoReply::Incomplete { .. } => panic!("no reply has begun"),
            }
        }
    }
    let counted = [1, 2].map(|count| [(true, count), (false, count)]);
    time_outs.sort_by_key(|(purpose, count)| (*count, !purpose));
    assert_eq!(time_outs, counted.concat());
    failed.sort();
    let end = START + 7_000 * MS;
    assert_eq!(
        failed,
        [(peer(2), START, true, end), (peer(3), START, false, end)]
    );
    let mut sent = net.sent();
    sent.sort_unstable();
    assert_eq!(sent, [[(2, 5); 3], [(3, 5); 3]].concat());
    assert_eq!(net.transport.pending_count(), 0);
    assert!(net.transport.peers().is_unresponsive(&peer(2)));
}

#[test]
fn ids_are_fresh_and_run_out_at_the_limit() {
    let mut net = TestNode::with(&TransportConfig {
        max_requests: 3,
        ..TransportConfig::default()
    });
    let mut ids = [2, 2, 3].map(|to| net.ask(to, true));
    ids.sort_unstable();
    assert!(ids[0] != 0 && ids[0] != ids[1] && ids[1] != ids[2]);
    assert_eq!(net.transport.fresh_id(&mut net.rng), None);
    net.reply(4, 900);
    assert_eq!(net.sent().len(), 3, "no ping can be sent either");
}

#[test]
fn parts_are_taken_if_they_were_announced_or_their_sender_is_validated() {
    let mut net = TestNode::with(&TransportConfig {
        peer_rate_limit_per_sec: Some(2),
        ..TransportConfig::default()
    });
    let part = message(b'p', OTHER, 5);
    assert!(!net.admits(2, &part));
    assert_eq!(net.traffic().dropped_unexpected, 1);
    assert_eq!(net.assemble(2, 5, 6), None);
    for _ in 0..5 {
        assert!(net.admits(2, &part), "no rate limit for what is expected");
    }
    net.validate(3);
    assert!(net.admits(3, &part) && net.admits(3, &part));
    assert!(!net.admits(3, &part), "they count as requests");
    assert_eq!(net.traffic().dropped_rate, 1);
    assert_eq!(net.part(2, 5, 0, b"foo"), None);
    let completed = net.part(2, 5, 3, b"bar").unwrap();
    assert_eq!(completed.context, "head");
    assert_eq!(completed.values, [(0, "foobar".into())]);
}

#[test]
fn a_request_whose_reply_comes_in_parts_is_waited_for_as_long_as_they_come() {
    let mut net = TestNode::new();
    net.validate(2);
    let id = net.ask(2, true);
    let deadline = |net: &TestNode| net.transport.next_deadline().unwrap();
    assert_eq!(deadline(&net), START + 50 * MS);
    assert_eq!(net.assemble(2, id, 9), None);
    assert_eq!(deadline(&net), START + 1_000 * MS);
    net.now = START + 600 * MS;
    assert_eq!(net.part(2, id, 0, b"abc"), None);
    assert_eq!(deadline(&net), START + 1_600 * MS);
    net.now = START + 800 * MS;
    assert_eq!(net.part(2, id, 0, b"abc"), None);
    assert_eq!(deadline(&net), START + 1_600 * MS, "nothing new");
    assert_eq!(net.assemble(2, id, 9), None);
    assert_eq!(deadline(&net), START + 1_600 * MS, "announced before");
}

#[test]
fn of_a_reply_that_stays_incomplete_what_is_whole_is_handed_out() {
    for (size, ends_after) in [(9, 3_000), (60_000, 1_000)] {
        let mut net = TestNode::new();
        let id = net.ask(2, true);
        let slots = [Slot::Announced(3), Slot::Announced(size)];
        let slots = slots.into_iter().chain([Slot::Announced(size); 3]);
        let head = Bytes::from_static(b"head");
        let announced = (net.transport).assemble(START, peer(2), id, slots, head);
        assert_eq!(announced, None);
        assert_eq!(net.part(2, id, 0, b"foo"), None);
        net.sent();
        let partial = loop {
            net.now = net.transport.next_deadline().unwrap();
            match net.transport.poll_no_reply(net.now) {
                Some(NoReply::Incomplete { from, partial }) if from == peer(2) => break partial,
                Some(NoReply::TimedOut { .. }) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(net.now, START + ends_after * MS);
        assert_eq!(partial.context, "head");
        assert_eq!(partial.values, [(0, "foo".into())]);
        let is_sent_again = !net.sent().is_empty();
        assert_eq!(
            is_sent_again,
            size == 9,
            "what is large would be lost again"
        );
        assert_eq!(net.close(2, id), Some(true));
        assert!(net.transport.next_deadline().is_none());
    }
}

#[test]
fn the_next_deadline_is_that_of_requests_parts_or_deferred_replies() {
    let mut net = TestNode::new();
    assert_eq!(net.transport.next_deadline(), None);
    assert_eq!(net.assemble(2, 5, 9), None);
    assert_eq!(net.transport.next_deadline(), Some(START + 3_000 * MS));
    net.reply(3, 900);
    assert_eq!(net.transport.next_deadline(), Some(START + 1_000 * MS));
    let ping = net.transport.poll_transmit().unwrap();
    // The request is taken with the answer, and its time goes with the next look.
    net.close(
        3,
        TestDialect::transaction(ping.bytes[..].try_into().unwrap()),
    );
    assert_eq!(net.transport.take_deferred(&peer(3)).len(), 1);
    net.transport.poll_no_reply(START + 3_000 * MS);
    assert_eq!(net.transport.next_deadline(), None);
}

#[test]
fn a_burst_of_datagrams_leaves_no_memory_behind() {
    let mut net = TestNode::new();
    for _ in 0..1_000 {
        net.transport.send(peer(2), Bytes::from_static(b"x").into());
    }
    assert_eq!(net.sent().len(), 1_000);
    assert!(net.transport.outbox.capacity() <= KEPT_PLACES);
}

fn message(kind: u8, sender: u8, id: u16) -> [u8; 5] {
    let [high, low] = id.to_be_bytes();
    [kind, NETWORK, sender, high, low]
}

fn datagrams(kind: u8, id: u16) -> Datagrams {
    Bytes::copy_from_slice(&message(kind, OWN, id)).into()
}

fn peer(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
