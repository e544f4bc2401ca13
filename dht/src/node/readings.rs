//! [`Readings`]: the gets and queries of crowded keys, which no node can answer in one message that
//! the asker's buffers hold. They read in pages: which values a node has, by their ids, and then
//! those that no other node has sent (`docs/DESIGN.md`, "Crowded keys").

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::answers::cost;
use crate::lookup::OpId;
use crate::value::{Condition, Field, Query, Row, Value, ValueId};
use crate::wire::{Digest, Page, Rest};
use crate::{Contact, Timestamp};

/// The bytes of pages under way in one operation, as a receiver's buffer counts them.
const WINDOW_BYTES: usize = 96 << 10;
/// The bytes that a page of values may have, and those of one of ids.
const PAGE_BYTES: usize = 48 << 10;
const LIST_BYTES: usize = 16 << 10;
/// What a value is taken to have before any has been seen.
const UNKNOWN_BYTES: usize = 4 << 10;
/// Requests for single values that one node is sent at a time.
const MAX_SINGLE: usize = 8;
/// Nodes that one operation reads in pages.
const MAX_HOLDERS: usize = 32;
/// Ids taken from one answer.
const MAX_ROWS: usize = 8_192;
/// Nodes that give no digests are asked for an id until so many have sent a value of it.
const ENOUGH: u8 = 4;
/// A reading is over after so many requests, or so long.
const MAX_REQUESTS: usize = 32_768;
const MAX_TIME: Duration = Duration::from_secs(120);

/// What is read in pages, by operation.
#[derive(Debug, Default)]
pub(super) struct Readings {
    by_op: BTreeMap<OpId, Reading>,
    /// The number of the last request.
    last: u64,
}

/// One get or query of a crowded key.
#[derive(Debug)]
struct Reading {
    query: Query,
    began: Timestamp,
    /// Whether the operation waits for it.
    is_open: bool,
    requests: usize,
    /// Nodes with something left to ask for, the next first.
    holders: VecDeque<Holder>,
    asked: BTreeMap<u64, Asked>,
    /// How many nodes sent a value of this id and edition.
    sent: BTreeMap<(ValueId, u16), u8>,
    /// The most that one value counts for.
    largest: usize,
}

/// A node that has values under the key.
#[derive(Debug)]
struct Holder {
    node: Contact,
    /// Whether it can be asked for several values at once.
    is_paging: bool,
    rows: VecDeque<Held>,
    /// From which id on it is to be asked for further rows.
    next: Option<ValueId>,
    in_flight: usize,
}

/// A value that a node says it has.
#[derive(Clone, Copy, Debug)]
struct Held {
    id: ValueId,
    seq: u16,
    digest: Option<Digest>,
}

/// A request under way.
#[derive(Debug)]
struct Asked {
    node: Contact,
    what: Wanted,
    /// What the answer counts for, while it is waited for.
    bytes: usize,
}

#[derive(Debug)]
enum Wanted {
    Rows(ValueId),
    Values(Vec<Held>),
}

/// A request to send.
#[derive(Debug)]
pub(super) struct PageRequest {
    pub(super) number: u64,
    pub(super) node: Contact,
    pub(super) query: Query,
    pub(super) page: Option<Page>,
}

impl Readings {
    /// Returns the query by which a node is asked for all that it has, page by page: for its own
    /// rows, or for those that tell which values to ask for.
    pub(super) fn listing(query: &Query) -> Query {
        let mut query = query.clone();
        if query.select.is_empty() {
            query.select.extend([Field::Id, Field::Seq]);
        }
        query
    }

    /// Takes in that a node has more for an operation than its answer had, from an id on. Reports
    /// whether the operation has to wait for that and did not yet.
    pub(super) fn on_rest(
        &mut self,
        now: Timestamp,
        op: OpId,
        query: &Query,
        node: Contact,
        from: ValueId,
    ) -> bool {
        self.holder(now, op, query, node, |holder| holder.next = Some(from))
    }

    /// Takes in a page of rows. As [`Readings::on_rest`].
    pub(super) fn on_rows(
        &mut self,
        now: Timestamp,
        op: OpId,
        query: &Query,
        node: Contact,
        rows: &[Row],
        rest: Option<&Rest<'_>>,
    ) -> bool {
        let is_for_values = query.select.is_empty();
        let digests = rest.map_or(&[][..], |rest| &rest.digests);
        let digests = digests.as_chunks().0.iter().copied().map(Some);
        let digests = digests.chain(std::iter::repeat(None));
        let held = rows.iter().zip(digests).filter_map(|(row, digest)| {
            Some(Held {
                id: row.id?,
                seq: row.seq.unwrap_or_default(),
                digest,
            })
        });
        self.holder(now, op, query, node, |holder| {
            holder.is_paging = rest.is_some();
            holder.next = rest.and_then(|rest| rest.next);
            if is_for_values {
                holder.rows.extend(held.take(MAX_ROWS));
            }
        })
    }

    /// Takes in values that a node sent.
    pub(super) fn on_values(&mut self, op: OpId, values: &[Value]) {
        if let Some(reading) = self.by_op.get_mut(&op) {
            let wanted = values.iter().filter(|it| reading.query.matches(it));
            for value in wanted {
                reading.largest = reading.largest.max(cost(value));
                let count = reading.sent.entry((value.id(), value.seq())).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Takes in that a request was answered with these values, and returns from which id on it
    /// asked for rows if it did. What the node had no room for is asked for again, if it sent
    /// anything.
    pub(super) fn on_reply(&mut self, op: OpId, number: u64, values: &[Value]) -> Option<ValueId> {
        let reading = self.by_op.get_mut(&op)?;
        let Asked { node, what, .. } = reading.asked.remove(&number)?;
        let holder = reading.holders.iter_mut().find(|it| it.node == node);
        let held = match what {
            Wanted::Rows(from) => {
                if let Some(holder) = holder {
                    holder.in_flight -= 1;
                }
                return Some(from);
            }
            Wanted::Values(held) => held,
        };
        let holder = holder?;
        holder.in_flight -= 1;
        let came: BTreeSet<_> = values.iter().map(Value::id).collect();
        if held.iter().any(|it| came.contains(&it.id)) {
            let left = held.into_iter().filter(|it| !came.contains(&it.id));
            holder.rows.extend(left);
        }
        None
    }

    /// Notes that a request timed out: others need not wait for its answer.
    pub(super) fn on_timeout(&mut self, op: OpId, number: u64) {
        let reading = self.by_op.get_mut(&op);
        if let Some(asked) = reading.and_then(|it| it.asked.get_mut(&number)) {
            asked.bytes = 0;
        }
    }

    /// Notes that a node did not answer a request; it is not asked again.
    pub(super) fn on_failed(&mut self, op: OpId, number: u64) {
        if let Some(reading) = self.by_op.get_mut(&op)
            && let Some(asked) = reading.asked.remove(&number)
        {
            reading.holders.retain(|it| it.node != asked.node);
        }
    }

    /// Returns the next request of an operation. Values that are known by their digest are not
    /// asked for.
    pub(super) fn next_request(
        &mut self,
        now: Timestamp,
        op: OpId,
        is_known: impl Fn(Digest) -> bool,
    ) -> Option<PageRequest> {
        let reading = self.by_op.get_mut(&op)?;
        let number = self.last + 1;
        let request = reading.next_request(now, number, is_known)?;
        self.last = number;
        Some(request)
    }

    /// Asks for nothing more.
    pub(super) fn stop(&mut self, op: OpId) {
        if let Some(reading) = self.by_op.get_mut(&op) {
            reading.holders.clear();
        }
    }

    /// Reports whether an operation waited for its pages, and has them all now.
    pub(super) fn take_end(&mut self, op: OpId) -> bool {
        self.by_op.get_mut(&op).is_some_and(|reading| {
            let is_over = reading.holders.is_empty() && reading.asked.is_empty();
            is_over && std::mem::take(&mut reading.is_open)
        })
    }

    /// Forgets an operation that is over.
    pub(super) fn end(&mut self, op: OpId) {
        self.by_op.remove(&op);
    }

    /// Changes what is known of a node, and reports whether the operation has to wait and did not.
    fn holder(
        &mut self,
        now: Timestamp,
        op: OpId,
        query: &Query,
        node: Contact,
        change: impl FnOnce(&mut Holder),
    ) -> bool {
        let reading = self.by_op.entry(op).or_insert_with(|| Reading {
            query: query.clone(),
            began: now,
            is_open: false,
            requests: 0,
            holders: VecDeque::new(),
            asked: BTreeMap::new(),
            sent: BTreeMap::new(),
            largest: 0,
        });
        if let Some(holder) = reading.holders.iter_mut().find(|it| it.node == node) {
            change(holder);
        } else if reading.holders.len() < MAX_HOLDERS {
            let mut holder = Holder {
                node,
                is_paging: false,
                rows: VecDeque::new(),
                next: None,
                in_flight: 0,
            };
            change(&mut holder);
            reading.holders.push_back(holder);
        }
        !std::mem::replace(&mut reading.is_open, true)
    }
}

impl Reading {
    fn next_request(
        &mut self,
        now: Timestamp,
        number: u64,
        is_known: impl Fn(Digest) -> bool,
    ) -> Option<PageRequest> {
        if self.requests >= MAX_REQUESTS || now >= self.began + MAX_TIME {
            self.holders.clear();
        }
        let under_way: usize = self.asked.values().map(|asked| asked.bytes).sum();
        let room = if under_way == 0 {
            usize::MAX
        } else {
            WINDOW_BYTES.saturating_sub(under_way)
        };
        let coming = self.coming();
        let each = if self.largest == 0 {
            UNKNOWN_BYTES
        } else {
            self.largest
        };
        for _ in 0..self.holders.len() {
            let mut holder = self.holders.pop_front()?;
            let sent = &self.sent;
            holder.rows.retain(|it| match it.digest {
                Some(digest) => !is_known(digest),
                None => sent
                    .get(&(it.id, it.seq))
                    .is_none_or(|count| *count < ENOUGH),
            });
            let wanted = holder.next(each, room, &coming);
            let node = holder.node;
            let is_paging = holder.is_paging;
            if holder.in_flight > 0 || holder.next.is_some() || !holder.rows.is_empty() {
                self.holders.push_back(holder);
            }
            if let Some((what, bytes)) = wanted {
                let (query, page) = self.ask(&what, is_paging);
                self.requests += 1;
                let asked = Asked { node, what, bytes };
                self.asked.insert(number, asked);
                return Some(PageRequest {
                    number,
                    node,
                    query,
                    page,
                });
            }
        }
        None
    }

    /// Returns the digests of the values that are asked for.
    fn coming(&self) -> BTreeSet<Digest> {
        let wanted = self.asked.values().filter_map(|asked| match &asked.what {
            Wanted::Values(held) if asked.bytes > 0 => Some(held),
            Wanted::Values(_) | Wanted::Rows(_) => None,
        });
        wanted.flatten().filter_map(|held| held.digest).collect()
    }

    fn ask(&self, what: &Wanted, is_paging: bool) -> (Query, Option<Page>) {
        match what {
            Wanted::Rows(from) => (Readings::listing(&self.query), Some(Page::From(*from))),
            Wanted::Values(held) if is_paging => {
                let ids = held.iter().map(|it| it.id).collect();
                (self.query.clone(), Some(Page::Of(ids)))
            }
            Wanted::Values(held) => {
                let conditions = held.iter().map(|it| Condition::Id(it.id)).collect();
                let select = BTreeSet::new();
                (Query { select, conditions }, None)
            }
        }
    }
}

impl Holder {
    /// Returns what to ask for next, and what that counts for, if a value counts for `each`, there
    /// is `room` and others are `coming` from other nodes.
    fn next(
        &mut self,
        each: usize,
        room: usize,
        coming: &BTreeSet<Digest>,
    ) -> Option<(Wanted, usize)> {
        if self.rows.is_empty() {
            if self.in_flight > 0 || room < LIST_BYTES {
                return None;
            }
            let from = self.next.take()?;
            self.in_flight += 1;
            return Some((Wanted::Rows(from), LIST_BYTES));
        }
        let (max_in_flight, max) = if self.is_paging {
            (1, (PAGE_BYTES / each).clamp(1, Page::MAX_IDS))
        } else {
            (MAX_SINGLE, 1)
        };
        if self.in_flight >= max_in_flight {
            return None;
        }
        let mut held = Vec::new();
        let is_free = |it: &Held| it.digest.is_none_or(|digest| !coming.contains(&digest));
        self.rows.retain(|it| {
            let is_taken = held.len() < max && is_free(it);
            if is_taken {
                held.push(*it);
            }
            !is_taken
        });
        let bytes = held.len() * each;
        if held.is_empty() || bytes > room {
            held.into_iter()
                .rev()
                .for_each(|it| self.rows.push_front(it));
            return None;
        }
        self.in_flight += 1;
        Some((Wanted::Values(held), bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, InfoHash, wire};

    const OP: OpId = OpId(1);

    #[test]
    fn a_value_without_a_digest_is_asked_for_until_enough_nodes_have_sent_it() {
        let node = Contact::new(InfoHash::of(b"node"), ([192, 0, 2, 1], 4222).into());
        let values = [wire::pack(&Draft::from("text"), ValueId(7))];
        let rows = [Row::of(&values[0], &[Field::Id, Field::Seq].into())];
        for (nodes, is_asked_for) in [(0, true), (ENOUGH - 1, true), (ENOUGH, false)] {
            let mut readings = Readings::default();
            readings.on_rows(Timestamp::ZERO, OP, &Query::default(), node, &rows, None);
            for _ in 0..nodes {
                readings.on_values(OP, &values);
            }
            let request = readings.next_request(Timestamp::ZERO, OP, |_| false);
            assert_eq!(request.is_some(), is_asked_for, "sent by {nodes} nodes");
        }
    }
}
