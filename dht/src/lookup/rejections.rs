//! [`Rejections`]: the nodes that refuse each write token that they have given, and for how long
//! they are left alone.

use std::time::Duration;

use crate::{Contact, Timestamp};

/// Tokens refused in a row after which a node is left alone.
const MAX_REFUSED: u32 = 3;
/// For how long, at first; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Nodes remembered, those that refused last.
const MAX_NODES: usize = 32;

/// The nodes that have refused tokens of late, the last at the end.
#[derive(Default, Debug)]
pub(super) struct Rejections(Vec<Rejection>);

#[derive(Debug)]
struct Rejection {
    node: Contact,
    /// How many tokens it refused since it took one.
    count: u32,
    until: Timestamp,
}

impl Rejections {
    /// Notes that a node refused the last token that it gave.
    pub(super) fn on_refused(&mut self, now: Timestamp, node: Contact) {
        let known = self.0.iter().position(|it| it.node == node);
        let known = known.map(|place| self.0.remove(place));
        let known = known.map_or((0, Timestamp::ZERO), |known| (known.count, known.until));
        let (count, mut until) = (known.0 + 1, known.1);
        if count >= MAX_REFUSED && until <= now {
            let doubled = 1_u32 << (count - MAX_REFUSED).min(6);
            until = now + (FIRST_PAUSE * doubled).min(LONGEST_PAUSE);
        }
        if self.0.len() == MAX_NODES {
            self.0.remove(0);
        }
        self.0.push(Rejection { node, count, until });
    }

    /// Notes that a node took a token.
    pub(super) fn on_accepted(&mut self, node: &Contact) {
        self.0.retain(|it| it.node != *node);
    }

    /// Returns until when a node is left alone.
    pub(super) fn paused_until(&self, now: Timestamp, node: &Contact) -> Option<Timestamp> {
        let known = self.0.iter().find(|it| it.node == *node)?;
        (known.until > now).then_some(known.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InfoHash;

    const NOW: Timestamp = Timestamp::from_micros(7);

    #[test]
    fn a_node_that_refuses_three_tokens_is_left_alone_longer_each_time_until_it_takes_one() {
        let mut rejections = Rejections::default();
        let node = contact(1);
        let mut refuse = |now| {
            rejections.on_refused(now, node);
            rejections.paused_until(now, &node)
        };
        assert_eq!([(); 2].map(|()| refuse(NOW)), [None; 2]);
        assert_eq!(refuse(NOW), Some(NOW + FIRST_PAUSE));
        assert_eq!(refuse(NOW), Some(NOW + FIRST_PAUSE), "it is paused already");
        let later = NOW + FIRST_PAUSE;
        assert_eq!(refuse(later), Some(later + FIRST_PAUSE * 4));
        let much_later = later + LONGEST_PAUSE;
        for _ in 0..20 {
            refuse(much_later);
        }
        let end = much_later + LONGEST_PAUSE;
        assert_eq!(refuse(end), Some(end + LONGEST_PAUSE));
        rejections.on_accepted(&node);
        rejections.on_refused(NOW, node);
        assert_eq!(rejections.paused_until(NOW, &node), None);
    }

    #[test]
    fn a_bounded_number_of_nodes_is_remembered() {
        let mut rejections = Rejections::default();
        for port in 0..100 {
            rejections.on_refused(NOW, contact(port));
        }
        assert_eq!(rejections.0.len(), MAX_NODES);
    }

    fn contact(port: u16) -> Contact {
        Contact::new(InfoHash::ZERO, ([127, 0, 0, 1], port).into())
    }
}
