//! Runs lookups: sends their requests, and tells operations the results.

use super::lookups::NodeView;
use super::outbox::LookupStep;
use super::{Node, Timer};
use crate::lookup::{Asker, Ended, FindKind, GetReport, LookupAction, LookupId};
use crate::{Family, InfoHash, Timestamp};

/// How many lookups that were held up by busy nodes are tried again at each event.
const MAX_HELD_TRIES: usize = 4;

impl Node {
    /// Does all that a lookup wants done now, and sets its timer for the rest.
    pub(super) fn drive(&mut self, now: Timestamp, id: LookupId) {
        loop {
            let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
            match self.lookups.poll(now, id, view, &mut self.outbox) {
                Some(LookupAction::Request(node, ask)) => {
                    let step = LookupStep { id, node, ask };
                    let (subscriptions, outbox) = (&mut self.subscriptions, &mut self.outbox);
                    if self.lookups.send(now, step, subscriptions, outbox) {
                        self.lookups.refill(now, id, &self.contacts);
                    }
                }
                Some(LookupAction::Answered(askers, report)) => {
                    for asker in askers {
                        self.on_answered(now, id, asker, report);
                    }
                }
                Some(LookupAction::Announced(op, report)) => {
                    self.outbox.report(self.operations.on_announced(op, report));
                }
                Some(LookupAction::Wait(at)) => return self.rest(now, id, at),
                None => return,
            }
        }
    }

    /// Opens a lookup unless it exists, offers it the nearest contacts, and drives it.
    pub(super) fn resume(&mut self, now: Timestamp, id: LookupId) {
        self.lookups.open(now, id, &self.contacts);
        self.drive(now, id);
    }

    /// Resumes a lookup when its timer goes off, unless it has nothing left to do.
    pub(super) fn resume_unless_idle(&mut self, now: Timestamp, id: LookupId) {
        if !self.lookups.forget_if_idle(id) {
            self.resume(now, id);
        }
    }

    /// Starts a lookup for the nodes near an id.
    pub(super) fn start_node_lookup(&mut self, now: Timestamp, target: InfoHash, family: Family) {
        let id = LookupId {
            key: target,
            family,
        };
        self.lookups.open(now, id, &self.contacts);
        if let Some(lookup) = self.lookups.get_mut(id) {
            lookup.ask(now, Asker::NodeLookup, FindKind::Node);
        }
        self.drive(now, id);
    }

    /// Drives the lookups that were queued until fewer requests are in flight.
    pub(super) fn drive_queued(&mut self, now: Timestamp) {
        for _ in 0..MAX_HELD_TRIES {
            let Some(id) = self.lookups.next_held(&self.outbox) else {
                break;
            };
            self.drive(now, id);
        }
        while let Some(id) = self.lookups.next_queued(&self.outbox) {
            self.drive(now, id);
        }
    }

    /// Begins as many lookups for permanent puts and listens as may begin now.
    pub(super) fn run_background(&mut self, now: Timestamp) {
        loop {
            let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
            match self.lookups.next_background(now, view) {
                Some(id) => self.resume(now, id),
                None => {
                    return self
                        .lookups
                        .schedule_background(now, view, &mut self.outbox);
                }
            }
        }
    }

    /// Handles the end of a find. The lookup of the own id may have to be repeated.
    fn on_answered(&mut self, now: Timestamp, id: LookupId, asker: Asker, report: GetReport) {
        let count = self.config.routing.bucket_size;
        let lookup = self.lookups.get(id);
        if report.ended == Ended::Converged
            && report.answered >= count
            && let Some(farthest) = lookup.and_then(|it| it.nth_nearest(count))
        {
            self.contacts.on_found(id, count, &farthest);
        }
        match asker {
            Asker::Operation(op) => {
                let end = self.operations.on_answered(op, report);
                if end.is_some() {
                    self.end_reading(op);
                }
                self.outbox.report(end);
            }
            Asker::NodeLookup if id.key == self.contacts.own() => {
                let rng = &mut self.outbox.rng;
                let again =
                    (self.connectivity).on_self_lookup_done(now, id.family, &self.contacts, rng);
                let timer = Timer::RepeatSelfLookup(id.family);
                self.outbox.set_if_any(timer, again);
            }
            Asker::NodeLookup => {}
        }
    }

    /// Pauses a lookup until `at`, and closes the sockets of listens that it has ended.
    fn rest(&mut self, now: Timestamp, id: LookupId, at: Timestamp) {
        if let Some(lookup) = self.lookups.get_mut(id) {
            for socket in lookup.take_closed_sockets() {
                self.subscriptions.close(socket);
            }
        }
        self.lookups.rest(now, id, at, &mut self.outbox);
        let view = NodeView::new(&self.contacts, &self.connectivity, &self.subscriptions);
        (self.lookups).schedule_background(now, view, &mut self.outbox);
    }
}
