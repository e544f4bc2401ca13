//! What of a crowded key goes into one answer: as much as its receiver has room for. All sizes are
//! summed up before anything is copied.

use std::borrow::Cow;

use super::server::Server;
use crate::InfoHash;
use crate::storage::Wanted;
use crate::value::{Field, Query, Value, ValueId};
use crate::wire::{Digest, Page, Rest, Values};

/// The most bytes of values in one update, counted as by [`cost`], unless one value alone has more.
pub(super) const UPDATE_BYTES: usize = 56 << 10;
/// The most bytes of rows in one answer, which is a single datagram.
const ROWS_BYTES: usize = 60 << 10;
/// The most bytes of rows and digests in one page.
const ROWS_PAGE_BYTES: usize = 16 << 10;
/// The most bytes of values that the digests of one page are made of, unless one has more.
const DIGESTED_BYTES: usize = 1 << 20;
/// What a small datagram takes of a receiver's buffer besides its bytes, as Linux counts.
const DATAGRAM_OVERHEAD: usize = 640;
/// The share of the budget that is used where not all values fit, as an asker has several such
/// answers under way before it knows that it has to read in pages.
const CUT_SHARE: usize = 2;

/// Values looked at for an address that is not validated.
const UNVALIDATED_WALK: usize = 32;

/// The values that an answer is about.
pub(super) struct Answer<'a> {
    pub(super) values: Vec<&'a Value>,
    pub(super) rest: Option<Rest<'static>>,
    /// How many values were looked at for it.
    pub(super) walked: usize,
}

/// Returns what a value counts for, in bytes.
pub(super) fn cost(value: &Value) -> usize {
    let size = value.packed().len();
    size + size.div_ceil(Values::PART_LEN) * DATAGRAM_OVERHEAD
}

/// Returns an upper bound of the bytes of a value's row.
fn row_len(value: &Value, query: &Query) -> usize {
    let cell = |field: &Field| match field {
        Field::Id => 9,
        Field::ValueType | Field::Seq => 3,
        Field::Owner => 3 + value.owner().map_or(InfoHash::LEN, <[u8]>::len),
        Field::UserType => 5 + value.body().map_or(0, |body| body.user_type.len()),
    };
    query.select.iter().map(cell).sum()
}

/// Takes values as long as there is room for what they count for, and one in any case. Returns the
/// first that there is no room for as well.
fn take_while_room<'a>(
    values: impl Iterator<Item = &'a Value>,
    mut fits: impl FnMut(&Value) -> bool,
) -> (Vec<&'a Value>, Option<&'a Value>) {
    let mut taken = Vec::new();
    for value in values {
        if !fits(value) && !taken.is_empty() {
            return (taken, Some(value));
        }
        taken.push(value);
    }
    (taken, None)
}

/// Returns a function that takes from a budget, and reports whether it sufficed.
fn budget(bytes: usize) -> impl FnMut(usize) -> bool {
    let mut used = 0_usize;
    move |more| {
        used = used.saturating_add(more);
        used <= bytes
    }
}

impl Server {
    /// Returns the values to answer a get with.
    pub(super) fn answer<'a>(
        &'a self,
        key: &InfoHash,
        query: &'a Query,
        page: Option<&Page>,
    ) -> Answer<'a> {
        let is_for_rows = !query.select.is_empty();
        match page {
            Some(Page::From(from)) if is_for_rows => self.page_of_rows(key, query, *from),
            Some(Page::Of(ids)) if !is_for_rows => {
                let held = ids.iter().filter_map(|id| self.find(key, *id));
                let mut has_room = budget(self.answer_bytes);
                let wanted = held.filter(|value| query.matches(value));
                let (values, _) = take_while_room(wanted, |value| has_room(cost(value)));
                Answer {
                    values,
                    rest: None,
                    walked: ids.len(),
                }
            }
            Some(_) | None => {
                let start = self.start();
                let selection = if is_for_rows {
                    let wanted = Wanted {
                        query,
                        cost: |value: &Value| row_len(value, query),
                        room: ROWS_BYTES,
                        cut: ROWS_BYTES,
                        start,
                    };
                    self.storage.select(key, &wanted)
                } else {
                    let wanted = Wanted {
                        query,
                        cost,
                        room: self.answer_bytes,
                        cut: self.answer_bytes / CUT_SHARE,
                        start,
                    };
                    self.storage.select(key, &wanted)
                };
                let is_cut = selection.values.len() < selection.total;
                let rest = is_cut.then(|| Rest {
                    total: selection.total as u64,
                    ..Rest::default()
                });
                Answer {
                    values: selection.values,
                    rest,
                    walked: selection.walked,
                }
            }
        }
    }

    /// Reports whether an answer may be larger than what an address gets that is not validated, or
    /// take longer to find. Finds that out by looking at a few values.
    pub(super) fn is_for_validated(
        &self,
        key: &InfoHash,
        query: &Query,
        page: Option<&Page>,
        bytes: usize,
    ) -> bool {
        if page.is_some() {
            return self.storage.count(key) > 0;
        }
        let len = |value: &Value| {
            if query.select.is_empty() {
                value.packed().len()
            } else {
                row_len(value, query)
            }
        };
        (self.storage).is_more_than(key, query, UNVALIDATED_WALK, bytes, len)
    }

    /// Returns the values from an id on to tell a new listener of in one update, and the id to go
    /// on from.
    pub(super) fn batch(
        &self,
        key: &InfoHash,
        query: &Query,
        from: ValueId,
    ) -> (Vec<Value>, Option<ValueId>) {
        let mut has_room = budget(UPDATE_BYTES);
        let values = self.storage.values_from(key, from);
        let wanted = values.filter(|value| query.matches(value));
        let (values, next) = take_while_room(wanted, |value| has_room(cost(value)));
        (values.into_iter().cloned().collect(), next.map(Value::id))
    }

    fn page_of_rows<'a>(&'a self, key: &InfoHash, query: &'a Query, from: ValueId) -> Answer<'a> {
        let mut has_room = budget(ROWS_PAGE_BYTES);
        let mut may_digest = budget(DIGESTED_BYTES);
        let mut walked = 0;
        let values = self.storage.values_from(key, from);
        let wanted = values
            .inspect(|_| walked += 1)
            .filter(|value| query.matches(value));
        let (values, next) = take_while_room(wanted, |value| {
            has_room(row_len(value, query) + size_of::<Digest>())
                && may_digest(value.packed().len())
        });
        let digests = values.iter().flat_map(|value| Rest::digest(value));
        let rest = Rest {
            total: 0,
            next: next.map(Value::id),
            digests: Cow::Owned(digests.collect()),
        };
        Answer {
            values,
            rest: Some(rest),
            walked,
        }
    }

    /// Returns the id from which values are chosen where there is no room for all: another one at
    /// each node, so that nodes that hold the same tell of different ones.
    fn start(&self) -> ValueId {
        // Neighbours have ids that are much alike.
        let mixed = InfoHash::of(self.own.as_bytes());
        let first = mixed.as_bytes()[..8].iter();
        ValueId(first.fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}
