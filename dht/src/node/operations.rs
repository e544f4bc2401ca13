//! [`Operations`]: what the application has asked for, and the progress of each.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::Event;
use crate::lookup::{Ended, GetReport, OpId, PutReport};
use crate::value::{Query, Row, Value, ValueId};
use crate::wire::Digest;
use crate::{Family, InfoHash};

/// Running operations. Each is served by a lookup in each family; it is told what they find and
/// when each has come to its end, and returns what the application is to be told.
#[derive(Debug)]
pub(super) struct Operations {
    running: BTreeMap<OpId, Operation>,
    /// The number of the last operation.
    last: u64,
    /// Operations at a time.
    max: usize,
    /// Values or rows that one operation reports.
    max_found: usize,
}

/// An operation of the application on a key.
#[derive(Debug)]
struct Operation {
    key: InfoHash,
    /// Families whose lookup has not ended, and one more while pages are read.
    open_families: usize,
    state: OpState,
}

/// What an operation does, and what has come of it so far.
#[derive(Debug)]
pub(super) enum OpState {
    /// Finds values; each content is reported once.
    Get {
        query: Query,
        seen: BTreeSet<InfoHash>,
        report: GetReport,
    },
    /// Finds field rows; each is reported once.
    Query {
        query: Query,
        seen: BTreeSet<Row>,
        report: GetReport,
    },
    /// Reports values; its state is in the subscriptions.
    Listen,
    /// Announces a value.
    Put {
        id: ValueId,
        permanent: bool,
        report: PutReport,
    },
}

/// An operation that the application cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cancelled {
    pub(super) key: InfoHash,
    /// The value that it announced.
    pub(super) announced: Option<ValueId>,
}

/// An operation could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OpError {
    /// The key is all zeros, which stands for "no key".
    #[error("the key must not be all zeros")]
    ZeroKey,
    /// The value id is 0, which stands for "no id".
    #[error("the value id must not be 0")]
    ZeroId,
    /// The content exceeds [`Value::MAX_CONTENT`].
    #[error("the value holds {0} bytes; at most {max} can be stored", max = Value::MAX_CONTENT)]
    TooLarge(usize),
    /// [`OperationConfig::max`](crate::OperationConfig::max) run already.
    #[error("too many operations at a time")]
    TooManyOperations,
    /// Permanent puts would need more than
    /// [`OperationConfig::max_put_rate_per_sec`](crate::OperationConfig::max_put_rate_per_sec)
    /// requests a second to be renewed in time.
    #[error("too many permanent puts to renew in time")]
    TooManyPermanentPuts,
}

impl OpState {
    /// Returns a get that has found nothing yet.
    pub(super) fn get(query: Query) -> Self {
        Self::Get {
            query,
            seen: BTreeSet::new(),
            report: GetReport::default(),
        }
    }

    /// Returns a query that has found nothing yet.
    pub(super) fn query(query: Query) -> Self {
        Self::Query {
            query,
            seen: BTreeSet::new(),
            report: GetReport::default(),
        }
    }

    /// Returns a put that no node has acknowledged yet.
    pub(super) fn put(id: ValueId, permanent: bool) -> Self {
        Self::Put {
            id,
            permanent,
            report: PutReport::default(),
        }
    }
}

impl Operations {
    pub(super) fn new(max: usize, max_found: usize) -> Self {
        Self {
            running: BTreeMap::new(),
            last: 0,
            max,
            max_found,
        }
    }

    /// Reports whether no more may start.
    pub(super) fn is_full(&self) -> bool {
        self.running.len() >= self.max
    }

    /// Returns how many run.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Returns an id that no other operation has.
    pub(super) fn reserve(&mut self) -> OpId {
        self.last += 1;
        OpId(self.last)
    }

    /// Starts an operation under a reserved id.
    pub(super) fn start(&mut self, id: OpId, key: InfoHash, state: OpState) {
        let operation = Operation {
            key,
            open_families: Family::ALL.len(),
            state,
        };
        self.running.insert(id, operation);
    }

    /// Takes in the values and field rows that a node holds for a get or query. Reports whether
    /// there were any for it, and returns those it had not seen.
    pub(super) fn on_found(
        &mut self,
        id: OpId,
        values: &[Value],
        rows: &[Row],
    ) -> (bool, Option<Event>) {
        let max = self.max_found;
        match self.running.get_mut(&id).map(|running| &mut running.state) {
            Some(OpState::Get { query, seen, .. }) => {
                let found: Vec<_> = values.iter().filter(|it| query.matches(it)).collect();
                let new: Vec<_> = found
                    .iter()
                    .filter(|it| seen.len() < max && seen.insert(InfoHash::of(it.packed())))
                    .map(|value| (*value).clone())
                    .collect();
                let event = Event::Values {
                    op: id,
                    values: new,
                };
                // Rows tell which values there are to ask for.
                let is_any = !found.is_empty() || !rows.is_empty();
                (is_any, event.unless_empty())
            }
            Some(OpState::Query { query, seen, .. }) => {
                // Some nodes ignore the selection and send whole values.
                let selected = values.iter().filter(|it| query.matches(it));
                let selected = selected.map(|value| Row::of(value, &query.select));
                let found: Vec<_> = rows.iter().cloned().chain(selected).collect();
                let is_any = !found.is_empty();
                let new = found
                    .into_iter()
                    .filter(|row| seen.len() < max && seen.insert(row.clone()))
                    .collect();
                let event = Event::Rows { op: id, rows: new };
                (is_any, event.unless_empty())
            }
            Some(OpState::Listen | OpState::Put { .. }) | None => (false, None),
        }
    }

    /// Returns the key and the query of a get or query.
    pub(super) fn sought(&self, id: OpId) -> Option<(InfoHash, &Query)> {
        let running = self.running.get(&id)?;
        match &running.state {
            OpState::Get { query, .. } | OpState::Query { query, .. } => Some((running.key, query)),
            OpState::Listen | OpState::Put { .. } => None,
        }
    }

    /// Reports whether a get has handed out a value of this digest.
    pub(super) fn has_found(&self, id: OpId, digest: Digest) -> bool {
        let mut first = [0; InfoHash::LEN];
        first[..digest.len()].copy_from_slice(&digest);
        let alike = InfoHash::new(first).block(8 * digest.len());
        match self.running.get(&id).map(|running| &running.state) {
            Some(OpState::Get { seen, .. }) => seen.range(alike).next().is_some(),
            Some(OpState::Query { .. } | OpState::Listen | OpState::Put { .. }) | None => false,
        }
    }

    /// Reports whether a get or query has handed out as much as it may.
    pub(super) fn has_enough(&self, id: OpId) -> bool {
        match self.running.get(&id).map(|running| &running.state) {
            Some(OpState::Get { seen, .. }) => seen.len() >= self.max_found,
            Some(OpState::Query { seen, .. }) => seen.len() >= self.max_found,
            Some(OpState::Listen | OpState::Put { .. }) | None => false,
        }
    }

    /// Notes that a get or query has to wait for one thing more, which ends as a lookup does.
    pub(super) fn wait_for_more(&mut self, id: OpId) {
        if let Some(running) = self.running.get_mut(&id) {
            running.open_families += 1;
        }
    }

    /// Adds the report of the lookup in one family for a get or query. Returns the end of the
    /// operation if that was the last.
    pub(super) fn on_answered(&mut self, id: OpId, report: GetReport) -> Option<Event> {
        let running = self.running.get_mut(&id)?;
        let (OpState::Get { report: total, .. } | OpState::Query { report: total, .. }) =
            &mut running.state
        else {
            return None;
        };
        *total += report;
        let report = *total;
        running.open_families -= 1;
        (running.open_families == 0).then(|| {
            self.running.remove(&id);
            Event::GetDone { op: id, report }
        })
    }

    /// Adds the report of the lookup in one family when it has announced the value of a put for the
    /// first time. Returns the whole report if that was the last; a permanent put runs on.
    pub(super) fn on_announced(&mut self, id: OpId, report: PutReport) -> Option<Event> {
        let running = self.running.get_mut(&id)?;
        let OpState::Put {
            permanent,
            report: total,
            ..
        } = &mut running.state
        else {
            return None;
        };
        *total += report;
        let (report, permanent) = (*total, *permanent);
        running.open_families -= 1;
        (running.open_families == 0).then(|| {
            if !permanent {
                self.running.remove(&id);
            }
            Event::PutDone { op: id, report }
        })
    }

    /// Ends a put that is announced no longer. Returns its report, unless that has been returned
    /// before.
    pub(super) fn end_put(&mut self, id: OpId) -> Option<Event> {
        let ended = self.running.remove(&id)?;
        match ended.state {
            OpState::Put { mut report, .. } if ended.open_families > 0 => {
                report.ended = Ended::Cancelled;
                Some(Event::PutDone { op: id, report })
            }
            OpState::Get { .. } | OpState::Query { .. } | OpState::Listen | OpState::Put { .. } => {
                None
            }
        }
    }

    /// Ends an operation that the application cancels.
    pub(super) fn cancel(&mut self, id: OpId) -> Option<Cancelled> {
        let ended = self.running.remove(&id)?;
        let announced = match ended.state {
            OpState::Put { id, .. } => Some(id),
            OpState::Get { .. } | OpState::Query { .. } | OpState::Listen => None,
        };
        Some(Cancelled {
            key: ended.key,
            announced,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Field;
    use crate::{Draft, wire};

    const KEY: InfoHash = InfoHash::new([1; InfoHash::LEN]);

    #[test]
    fn each_content_is_reported_once_and_no_more_than_asked_for() {
        let mut operations = Operations::new(9, 2);
        let op = start(&mut operations, OpState::get(Query::default()));
        let values = [1, 1, 2, 3].map(value);
        let (is_any, event) = operations.on_found(op, &values, &[]);
        let new = values[1..3].to_vec();
        assert!(is_any);
        assert_eq!(event, Some(Event::Values { op, values: new }));
        assert_eq!(operations.on_found(op, &values, &[]), (true, None));
        assert_eq!(operations.on_found(op, &[], &[]), (false, None));
    }

    #[test]
    fn values_that_meet_no_condition_of_a_get_are_nothing_found() {
        let mut operations = Operations::new(9, 9);
        let query = Query {
            conditions: vec![crate::value::Condition::Id(ValueId(2))],
            ..Query::default()
        };
        let op = start(&mut operations, OpState::get(query));
        assert_eq!(operations.on_found(op, &[value(1)], &[]), (false, None));
        let (is_any, event) = operations.on_found(op, &[value(1), value(2)], &[]);
        let values = vec![value(2)];
        assert_eq!((is_any, event), (true, Some(Event::Values { op, values })));
    }

    #[test]
    fn a_query_takes_whole_values_for_rows_and_reports_each_row_once() {
        let mut operations = Operations::new(9, 2);
        let query = Query {
            select: [Field::Id].into(),
            conditions: Vec::new(),
        };
        let op = start(&mut operations, OpState::query(query.clone()));
        let rows = [1, 2, 3].map(|id| Row::of(&value(id), &query.select));
        let (is_any, event) = operations.on_found(op, &[value(2)], &rows[..1]);
        assert!(is_any);
        let rows_of = |rows: &[Row]| Event::Rows {
            op,
            rows: rows.to_vec(),
        };
        assert_eq!(event, Some(rows_of(&rows[..2])));
        assert_eq!(operations.on_found(op, &[], &rows), (true, None));
        assert_eq!(operations.on_found(op, &[], &[]), (false, None));
    }

    #[test]
    fn listens_and_puts_take_no_part_in_what_is_found() {
        let mut operations = Operations::new(9, 9);
        for state in [OpState::Listen, OpState::put(ValueId(1), false)] {
            let op = start(&mut operations, state);
            assert_eq!(operations.on_found(op, &[value(1)], &[]), (false, None));
            assert_eq!(operations.on_answered(op, GetReport::default()), None);
        }
        assert_eq!(
            operations.on_found(OpId(77), &[value(1)], &[]),
            (false, None)
        );
    }

    #[test]
    fn a_get_is_over_when_both_families_have_answered() {
        let mut operations = Operations::new(9, 9);
        let op = start(&mut operations, OpState::get(Query::default()));
        let report = GetReport {
            answered: 3,
            ..GetReport::default()
        };
        assert_eq!(operations.on_answered(op, report), None);
        let total = GetReport {
            answered: 6,
            ..GetReport::default()
        };
        let done = Event::GetDone { op, report: total };
        assert_eq!(operations.on_answered(op, report), Some(done));
        assert_eq!(operations.on_answered(op, report), None);
        assert_eq!(operations.len(), 0);
    }

    #[test]
    fn a_put_is_reported_once_and_runs_on_if_permanent() {
        let report = PutReport {
            asked: 8,
            acknowledged: 4,
            refused: 3,
            silent: 1,
            ended: Ended::default(),
        };
        let total = PutReport {
            asked: 16,
            acknowledged: 8,
            refused: 6,
            silent: 2,
            ended: Ended::default(),
        };
        for permanent in [false, true] {
            let mut operations = Operations::new(9, 9);
            let op = start(&mut operations, OpState::put(ValueId(1), permanent));
            assert_eq!(operations.on_announced(op, report), None);
            let done = Event::PutDone { op, report: total };
            assert_eq!(operations.on_announced(op, report), Some(done));
            assert_eq!(operations.len(), usize::from(permanent));
            assert_eq!(operations.end_put(op), None);
            assert_eq!(operations.len(), 0);
        }
    }

    #[test]
    fn a_put_that_ends_early_is_reported_as_far_as_it_came() {
        let mut operations = Operations::new(9, 9);
        let op = start(&mut operations, OpState::put(ValueId(1), true));
        let report = PutReport {
            acknowledged: 2,
            ..PutReport::default()
        };
        assert_eq!(operations.on_announced(op, report), None);
        let ended = Ended::Cancelled;
        let report = PutReport { ended, ..report };
        let done = Event::PutDone { op, report };
        assert_eq!(operations.end_put(op), Some(done));
        assert_eq!(operations.end_put(op), None);
        let get = start(&mut operations, OpState::get(Query::default()));
        assert_eq!(operations.on_announced(get, report), None);
        assert_eq!(operations.end_put(get), None);
    }

    #[test]
    fn a_cancelled_operation_names_its_key_and_the_value_it_announced() {
        let mut operations = Operations::new(2, 9);
        let put = start(&mut operations, OpState::put(ValueId(1), true));
        assert!(!operations.is_full());
        let listen = start(&mut operations, OpState::Listen);
        assert!(operations.is_full() && put < listen);
        let mut cancelled = |op| operations.cancel(op).map(|it| (it.key, it.announced));
        assert_eq!(cancelled(put), Some((KEY, Some(ValueId(1)))));
        assert_eq!(cancelled(listen), Some((KEY, None)));
        assert_eq!(cancelled(listen), None);
    }

    fn start(operations: &mut Operations, state: OpState) -> OpId {
        let op = operations.reserve();
        operations.start(op, KEY, state);
        op
    }

    fn value(id: u64) -> Value {
        wire::pack(&Draft::from("text"), ValueId(id))
    }
}
