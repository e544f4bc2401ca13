//! Crowded keys read in pages: what answers leave out is asked for, and its end awaited.

use super::outbox::PageStep;
use super::readings::PageRequest;
use super::{GetReport, Node, OpId, RequestPurpose};
use crate::value::{Row, Value, ValueId};
use crate::wire::{GetRequest, Reply, Request, Rest};
use crate::{Contact, Timestamp};

impl Node {
    /// Takes in what an answer to a get or query says of the values that it does not have.
    pub(super) fn on_part(
        &mut self,
        now: Timestamp,
        op: OpId,
        node: Contact,
        rows: &[Row],
        rest: Option<&Rest<'_>>,
    ) {
        let Some((_, query)) = self.operations.sought(op) else {
            return;
        };
        let is_list = query.select.is_empty() && !rows.is_empty();
        let goes_on = rest.is_some_and(|rest| rest.next.is_some());
        let is_new = if is_list || goes_on {
            (self.readings).on_rows(now, op, query, node, rows, rest)
        } else if rest.is_some_and(|rest| rest.total > 0) {
            (self.readings).on_rest(now, op, query, node, ValueId(0))
        } else {
            return;
        };
        if is_new {
            self.operations.wait_for_more(op);
            self.lookups.set_crowded(op);
        }
        self.read_pages(now, op);
    }

    /// Handles the answer to a request for a page.
    pub(super) fn on_page(
        &mut self,
        now: Timestamp,
        step: PageStep,
        reply: Reply<'_>,
        values: &[Value],
    ) {
        let PageStep { op, number, node } = step;
        let rows: Vec<_> = reply
            .rows
            .map_or_else(Vec::new, |rows| rows.iter().collect());
        let (_, event) = self.operations.on_found(op, values, &rows);
        self.outbox.report(event);
        self.readings.on_values(op, values);
        let asked_from = self.readings.on_reply(op, number, values);
        if let Some((_, query)) = self.operations.sought(op)
            && let Some(from) = asked_from
        {
            // One that does not go on would never end.
            let rest = reply.rest.map(|rest| Rest {
                next: rest.next.filter(|next| *next > from),
                ..rest
            });
            (self.readings).on_rows(now, op, query, node, &rows, rest.as_ref());
        }
        self.read_pages(now, op);
    }

    /// Notes that a request for a page timed out.
    pub(super) fn on_page_timeout(&mut self, now: Timestamp, step: PageStep) {
        self.readings.on_timeout(step.op, step.number);
        self.read_pages(now, step.op);
    }

    /// Notes that a request for a page was not answered.
    pub(super) fn on_page_failed(&mut self, now: Timestamp, step: PageStep) {
        self.readings.on_failed(step.op, step.number);
        self.read_pages(now, step.op);
    }

    /// Forgets how an operation that is over was read.
    pub(super) fn end_reading(&mut self, op: OpId) {
        self.readings.end(op);
        self.lookups.forget_crowded(op);
    }

    /// Sends as many requests for pages as may be under way, and ends the operation if it waited
    /// for the last of them.
    fn read_pages(&mut self, now: Timestamp, op: OpId) {
        let Some((key, _)) = self.operations.sought(op) else {
            return;
        };
        if self.operations.has_enough(op) {
            self.readings.stop(op);
        }
        loop {
            let operations = &self.operations;
            let is_known = |digest| operations.has_found(op, digest);
            let Some(request) = self.readings.next_request(now, op, is_known) else {
                break;
            };
            let PageRequest {
                number,
                node,
                query,
                page,
            } = request;
            let request = Request::Get(GetRequest {
                key,
                query,
                want: None,
                page,
            });
            let purpose = RequestPurpose::Page(PageStep { op, number, node });
            if !self.outbox.request(now, node.addr, request, purpose) {
                self.readings.on_failed(op, number);
            }
        }
        if self.readings.take_end(op) {
            let end = (self.operations).on_answered(op, GetReport::default());
            if end.is_some() {
                self.end_reading(op);
            }
            self.outbox.report(end);
        }
    }
}
