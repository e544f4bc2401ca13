//! Lookups at work: what they want asked is sent, what comes of it is told to their operations.

use super::subscriptions::ListenSocket;
use super::{Node, RequestPurpose, Status, Timer, WALK};
use crate::lookup::{Action, FindKind, Latency, Lookup, LookupRequest};
use crate::value::{Condition, Field, Query, Value};
use crate::wire::{Request, SocketId, Values};
use crate::{Contact, Family, InfoHash, Timestamp};

impl Node {
    /// Makes sure that there is a lookup for `key`, and that it knows the nearest contacts.
    pub(super) fn open_lookup(&mut self, now: Timestamp, key: InfoHash, family: Family) {
        if self.lookups.get(key, family).is_none() {
            self.lookups
                .insert(key, family, Lookup::new(key, self.limits));
        }
        self.refill(now, key, family);
    }

    /// Offers a lookup farther contacts in place of those that do not answer.
    pub(super) fn refill(&mut self, now: Timestamp, key: InfoHash, family: Family) {
        let table = self.contacts.table(family);
        if let Some(lookup) = self.lookups.get_mut(key, family)
            && let Some(count) = lookup.reach_wanted()
        {
            if let Some(lately) = table.fresh(&key, count, now) {
                lookup.offer(&lately, true);
                return;
            }
            lookup.offer(&table.closest(&key, count, now), true);
            lookup.offer(&table.candidates(&key, count), false);
        }
    }

    pub(super) fn lookup(&mut self, key: InfoHash, family: Family) -> Option<&mut Lookup> {
        self.lookups.get_mut(key, family)
    }

    /// Walks towards an id, to get to know those who live there.
    pub(super) fn walk(&mut self, now: Timestamp, target: InfoHash, family: Family) {
        self.open_lookup(now, target, family);
        if let Some(lookup) = self.lookups.get_mut(target, family) {
            lookup.ask(now, WALK, FindKind::Node);
        }
        self.drive(now, target, family);
    }

    /// Does all that a lookup wants done now, and sets its timer for the rest.
    pub(super) fn drive(&mut self, now: Timestamp, key: InfoHash, family: Family) {
        let may_wait = self.connectivity.may_wait(now, family);
        while let Some(mut lookup) = self.lookups.get_mut(key, family) {
            let can_wait = lookup.can_wait();
            if can_wait {
                if !self.may_go_on(now, key, family) {
                    return;
                }
                let Some(same) = self.lookups.get_mut(key, family) else {
                    return;
                };
                lookup = same;
            } else if !lookup.has_begun()
                && self.outbox.rpc.awaited_count() >= self.config.lookup.max_awaited
            {
                self.queued.push((key, family));
                return;
            }
            let peers = self.outbox.rpc.peers();
            let latency = Latency {
                typical: peers.typical_round_trip(),
                of: &|addr| peers.round_trip(addr),
                slow_after: &|addr| peers.slow_after(addr),
            };
            match lookup.poll(now, may_wait, &latency, &mut self.outbox.rng) {
                Action::LookupRequest(contact, ask) => {
                    if can_wait {
                        self.background
                            .on_request(now, self.subscriptions.socket_count());
                    }
                    self.send(now, key, contact, ask);
                }
                Action::Answered(ops, report) => {
                    for op in ops {
                        if op == WALK && key == self.contacts.own() {
                            let rng = &mut self.outbox.rng;
                            let repeat =
                                self.connectivity
                                    .on_explored(now, family, &self.contacts, rng);
                            if let Some(at) = repeat {
                                let timer = Timer::RepeatSelfLookup(family);
                                self.outbox.timers.set(timer, at);
                            }
                        } else {
                            self.outbox.report(self.operations.on_answered(op, report));
                        }
                    }
                }
                Action::Announced(op, report) => {
                    self.outbox.report(self.operations.on_announced(op, report));
                }
                Action::Wait(at) => {
                    self.rest(now, key, family, at);
                    return;
                }
            }
        }
    }

    /// Lets those begin that wait until fewer answers are awaited.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        while self.outbox.rpc.awaited_count() < self.config.lookup.max_awaited
            && let Some((key, family)) = self.queued.pop()
        {
            self.drive(now, key, family);
        }
    }

    /// Lets lookups for permanent puts and listens begin, as many as may.
    pub(super) fn run_background(&mut self, now: Timestamp) {
        while let Some((key, family)) = self
            .background
            .next(now, self.connectivity.is_warm(now, &self.contacts))
        {
            self.open_lookup(now, key, family);
            self.drive(now, key, family);
        }
        self.schedule_background(now);
    }

    /// Whether a lookup that nobody waits for may go on now. One that knows nobody disturbs nobody.
    fn may_go_on(&mut self, now: Timestamp, key: InfoHash, family: Family) -> bool {
        let is_warm = self.connectivity.is_warm(now, &self.contacts);
        let admitted = self.status(family) == Status::Disconnected
            || self.background.admits(now, is_warm, (key, family));
        if !admitted {
            self.schedule_background(now);
        }
        admitted
    }

    fn schedule_background(&mut self, now: Timestamp) {
        let none_waits = self.background.waiting() == 0;
        match self
            .background
            .next_at(none_waits || self.connectivity.is_warm(now, &self.contacts))
        {
            Some(at) => self.outbox.timers.set(Timer::Background, at.max(now)),
            None => self.outbox.timers.stop(Timer::Background),
        }
    }

    /// Sends what a lookup wants sent.
    fn send(&mut self, now: Timestamp, key: InfoHash, node: Contact, ask: LookupRequest) {
        let family = node.family();
        let values: Vec<Value>;
        let request = match &ask {
            LookupRequest::Find => Request::Find {
                target: key,
                want: None,
            },
            LookupRequest::Get(question) => {
                let lookup = self.lookups.get(key, family);
                let query = lookup.and_then(|lookup| lookup.query(*question));
                Request::Get {
                    key,
                    query: query.cloned().unwrap_or_default(),
                    want: None,
                }
            }
            LookupRequest::Probe(id) | LookupRequest::Check(id) => Request::Get {
                key,
                query: Query {
                    select: [Field::Id, Field::Owner, Field::Seq].into(),
                    conditions: vec![Condition::Id(*id)],
                },
                want: None,
            },
            LookupRequest::Put(id, token) => {
                let announce = self
                    .lookups
                    .get(key, family)
                    .and_then(|lookup| lookup.announced(*id));
                let Some(announce) = announce else {
                    return;
                };
                let sent = self.origin.to_unix(now);
                let created = announce.created.filter(|at| at.as_secs() < sent.as_secs());
                values = vec![announce.value.clone()];
                Request::Put {
                    key,
                    values: Values::new(&values),
                    created,
                    token: token.to_vec().into(),
                }
            }
            LookupRequest::Refresh(id, token) => Request::Refresh {
                key,
                id: *id,
                token: token.to_vec().into(),
            },
            LookupRequest::Listen { op, socket, token } => {
                let op = *op;
                let query = self
                    .subscriptions
                    .open(*socket, ListenSocket { op, key, node });
                Request::Listen {
                    key,
                    version: 1,
                    socket: SocketId(*socket),
                    query,
                    token: token.to_vec().into(),
                }
            }
        };
        let is_walk = ask.is_of_walk();
        let purpose = RequestPurpose::Lookup {
            key,
            family,
            node,
            ask,
        };
        let sent = self.outbox.request(now, node.addr, request, purpose);
        let owes = is_walk && self.outbox.rpc.peers().is_unresponsive(&node.addr);
        if sent && !owes {
            return;
        }
        let Some(lookup) = self.lookups.get_mut(key, family) else {
            return;
        };
        if sent {
            lookup.on_known_unresponsive(&node.id);
            self.refill(now, key, family);
        } else {
            lookup.on_failed(now, &node.id);
        }
    }

    /// Puts a lookup to rest until `at`, or for good.
    fn rest(&mut self, now: Timestamp, key: InfoHash, family: Family, at: Timestamp) {
        let Some(lookup) = self.lookups.get_mut(key, family) else {
            return;
        };
        for socket in lookup.take_closed_sockets() {
            self.subscriptions.close(socket);
        }
        let is_idle = lookup.is_idle();
        let is_worth_remembering = lookup.is_worth_remembering();
        if self.background.has_begun((key, family)) && (is_idle || !lookup.is_waiting()) {
            self.background.rest((key, family));
        }
        self.schedule_background(now);
        let timer = Timer::Lookup(key, family);
        if !is_idle {
            self.outbox.timers.set(timer, at);
            return;
        }
        if !is_worth_remembering {
            self.outbox.timers.stop(timer);
            self.lookups.forget_idle((key, family));
            return;
        }
        if let Some(lookup) = self.lookup(key, family) {
            lookup.retire();
        }
        self.outbox
            .timers
            .set(timer, now + self.config.lookup.memory);
        if let Some((key, family)) = self.lookups.retire(key, family) {
            self.outbox.timers.stop(Timer::Lookup(key, family));
        }
    }
}
