//! The store phase: what candidates that gave a token are sent: probes, puts, refreshes, listens.

use bytes::Bytes;

use super::action::{LookupAction, LookupRequest};
use super::announcement::NextRequest;
use super::{Ended, Latency, Lookup};
use crate::{Contact, Rng, Timestamp};

impl Lookup {
    /// Returns the next request to a candidate that gave a token, or the report of a put whose
    /// first round is over.
    pub(super) fn store_phase(
        &mut self,
        now: Timestamp,
        latency: &Latency<'_>,
        rng: &mut Rng,
    ) -> Option<LookupAction> {
        if self.announcements.is_empty() && self.subscriptions.is_empty() {
            return None;
        }
        self.notice_changes(now);
        self.store_announcements(now, latency)
            .or_else(|| self.renew_subscriptions(now, latency, rng))
    }

    /// Has all announcements and listens looked at again if another node is among the nearest on
    /// any path, or one of these gave a token.
    fn notice_changes(&mut self, now: Timestamp) {
        let oldest = now - self.limits.token_life;
        let count = self.limits.bucket_size();
        let standing = || {
            let nearest = self.iterate.candidates().nearest_on_paths(count);
            nearest.map(|it| {
                let token = it.fresh_token(oldest);
                (it.contact, it.is_usable().then_some(token.is_some()))
            })
        };
        if standing().eq(self.standing.iter().copied()) {
            return;
        }
        let known = self.standing.iter().map(|(node, _)| *node);
        if !standing().map(|(node, _)| node).eq(known) {
            self.announcements.wake_all(now);
            self.subscriptions.wake_all(now);
        }
        self.standing = standing().collect();
        self.announcements.mark_all_ready();
        self.subscriptions.mark_all_ready();
    }

    /// A put goes no farther while one of the nearest may still answer.
    fn store_announcements(
        &mut self,
        now: Timestamp,
        latency: &Latency<'_>,
    ) -> Option<LookupAction> {
        let (count, oldest) = (self.limits.bucket_size(), now - self.limits.token_life);
        let ready = self.iterate.candidates().ready(count, oldest);
        while let Some((id, announcement)) = self.announcements.next(now) {
            announcement.trim(|node| self.iterate.candidates().get(node).is_some());
            let due = |(node, token): &(Contact, &Bytes)| {
                let due = announcement.due(node, now)?;
                Some((*node, Bytes::clone(token), due))
            };
            let mut requests = ready.iter().filter_map(due).peekable();
            let is_any_due = requests.peek().is_some();
            let has_room =
                |(node, ..): &(Contact, Bytes, NextRequest)| (latency.has_room)(&node.addr);
            if let Some((node, token, due)) = requests.find(has_room) {
                announcement.on_asked(now, node, due);
                self.iterate.on_asked(now, &node);
                let ask = match due {
                    NextRequest::Probe => LookupRequest::Check(id),
                    NextRequest::Put => LookupRequest::Put(id, token),
                    NextRequest::Refresh => LookupRequest::Refresh(id, token),
                };
                return Some(LookupAction::Request(node, ask));
            }
            if is_any_due {
                // It is tried again when there is room.
                return None;
            }
            let candidates = self.iterate.candidates();
            let nearest = || candidates.nearest_on_paths(count).map(|it| &it.contact);
            if !nearest().all(|node| announcement.is_settled(node)) {
                self.announcements.mark_idle(&id);
                continue;
            }
            let ended = if nearest().next().is_some() {
                Ended::Converged
            } else {
                Ended::NoContacts
            };
            let (op, report) = (announcement.op, announcement.report(ended));
            let renewal = nearest().filter_map(|node| announcement.due_at(node)).min();
            match renewal {
                _ if announcement.is_over() => {
                    self.announcements.remove(&id);
                }
                // It waits for a token.
                Some(at) if at <= now => self.announcements.mark_idle(&id),
                _ => self
                    .announcements
                    .sleep_until(id, renewal.unwrap_or(Timestamp::MAX)),
            }
            if let Some(report) = report {
                return Some(LookupAction::Announced(op, report));
            }
        }
        None
    }

    fn renew_subscriptions(
        &mut self,
        now: Timestamp,
        latency: &Latency<'_>,
        rng: &mut Rng,
    ) -> Option<LookupAction> {
        let oldest = now - self.limits.token_life;
        let candidates = self.iterate.candidates();
        let mut ready = candidates.ready(self.limits.bucket_size(), oldest);
        ready.truncate(self.limits.listen_nodes);
        let nearest = candidates.nearest(self.limits.listen_nodes);
        let nearest: Vec<Contact> = nearest.map(|it| it.contact).collect();
        while let Some((op, subscription)) = self.subscriptions.next(now) {
            self.closed_sockets
                .extend(subscription.retire(&nearest, now));
            let due = |(node, _): &&(Contact, &Bytes)| subscription.is_due(node, now);
            if let Some((node, token)) = ready.iter().find(due) {
                if !(latency.has_room)(&node.addr) {
                    return None;
                }
                let ask = LookupRequest::Listen {
                    op,
                    socket: subscription.on_asked(*node, rng.number() as u32),
                    token: Bytes::clone(token),
                };
                return Some(LookupAction::Request(*node, ask));
            }
            match subscription.renews_at(&nearest) {
                Some(at) if at > now => self.subscriptions.sleep_until(op, at),
                _ => self.subscriptions.mark_idle(&op),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::time::Duration;

    use super::*;
    use crate::InfoHash;
    use crate::lookup::{Announcement, Limits, LookupReply, OpId};
    use crate::value::{Draft, ValueId};
    use crate::{Seed, wire};

    const RENEWAL: Duration = Duration::from_secs(300);

    /// A lookup that knows eight nodes, which answer in the order in which they are asked.
    struct Served {
        lookup: Lookup,
        rng: Rng,
        now: Timestamp,
        asked: VecDeque<(Contact, LookupRequest)>,
        most_asked: usize,
        counts: BTreeMap<&'static str, usize>,
        reports: Vec<usize>,
    }

    impl Served {
        fn new() -> Self {
            let mut rng = Seed::from_number(1).public();
            let mut lookup = Lookup::new(InfoHash::ZERO, Limits::default());
            let nodes = [(); 8].map(|()| Contact::new(rng.hash(), ([127, 0, 0, 1], 4222).into()));
            lookup.offer(&nodes, true);
            Self {
                lookup,
                rng,
                now: Timestamp::ZERO,
                asked: VecDeque::new(),
                most_asked: 0,
                counts: BTreeMap::new(),
                reports: Vec::new(),
            }
        }

        fn announce(&mut self, count: u64, renewal: Option<Duration>) {
            for id in 1..=count {
                let value = wire::pack(&Draft::new(vec![7]), ValueId(id));
                let announce = Announcement::new(OpId(id), value, None, renewal);
                assert_eq!(self.lookup.announce(self.now, announce), None);
            }
        }

        /// Answers until the lookup waits; returns until when.
        fn run(&mut self) -> Timestamp {
            loop {
                match self
                    .lookup
                    .poll(self.now, false, &Latency::UNKNOWN, &mut self.rng)
                {
                    LookupAction::Request(node, ask) => self.asked.push_back((node, ask)),
                    LookupAction::Announced(_, report) => self.reports.push(report.acknowledged),
                    LookupAction::Answered(..) => panic!("nothing was asked"),
                    LookupAction::Wait(until) => {
                        self.most_asked = self.most_asked.max(self.asked.len());
                        let Some((node, ask)) = self.asked.pop_front() else {
                            return until;
                        };
                        let kind = match ask {
                            LookupRequest::Put(..) => "put",
                            LookupRequest::Listen { .. } => "listen",
                            _ => "look",
                        };
                        *self.counts.entry(kind).or_default() += 1;
                        let answer = LookupReply {
                            token: Some("token".into()),
                            renewal: RENEWAL,
                            ..LookupReply::default()
                        };
                        self.lookup.on_answer(self.now, &node, &ask, answer);
                    }
                }
            }
        }
    }

    #[test]
    fn of_many_puts_a_bounded_number_is_under_way_and_each_is_reported() {
        let mut served = Served::new();
        served.announce(500, None);
        served.run();
        assert_eq!(served.reports, [8; 500]);
        assert_eq!(served.counts["put"], 8 * 500);
        assert_eq!(served.counts["look"], 8 * 500, "each is looked for once");
        assert!(served.most_asked <= 8 * 32, "{}", served.most_asked);
        assert!(served.lookup.is_idle());
    }

    #[test]
    fn many_permanent_puts_and_listens_sleep_until_they_are_renewed() {
        let mut served = Served::new();
        served.announce(100, Some(2 * RENEWAL));
        for op in 1_001..=1_100 {
            served.lookup.subscribe(served.now, OpId(op));
        }
        let renewal = served.run();
        assert_eq!(renewal, served.now + RENEWAL, "of the listens");
        assert_eq!(served.reports, [8; 100]);
        assert_eq!((served.counts["put"], served.counts["listen"]), (800, 400));
        assert!(!served.lookup.awaits_reply());
        served.now = renewal;
        let renewal = served.run();
        assert_eq!(renewal, served.now + RENEWAL, "of both");
        assert_eq!((served.counts["put"], served.counts["listen"]), (800, 800));
        served.now = renewal;
        served.run();
        assert_eq!(
            (served.counts["put"], served.counts["listen"]),
            (1_600, 1_200)
        );
        assert_eq!(served.reports.len(), 100, "each is reported once");
    }

    #[test]
    fn a_newcomer_is_given_all_that_sleeps() {
        let mut served = Served::new();
        served.announce(100, Some(RENEWAL));
        served.run();
        let nearest = InfoHash::new([1; InfoHash::LEN]);
        let newcomer = Contact::new(nearest, ([127, 0, 0, 2], 4222).into());
        served.lookup.offer(&[newcomer], true);
        served.run();
        assert_eq!(served.counts["put"], 900);
    }

    #[test]
    fn a_node_that_failed_and_returns_is_given_all_again() {
        let mut served = Served::new();
        served.announce(100, Some(RENEWAL));
        served.run();
        let failed = served
            .lookup
            .iterate
            .candidates()
            .nearest(1)
            .next()
            .unwrap()
            .contact;
        served.lookup.on_failed(served.now, &failed);
        served.lookup.offer(&[failed], true);
        served.run();
        assert_eq!(served.counts["put"], 900);
    }
}
