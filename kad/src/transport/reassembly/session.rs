//! [`Session`]: the parts of one message's values, as far as they have come.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::Timestamp;

use super::budget::Usage;
use super::{Completed, MAX_VALUE_BYTES, Part, Slot};

/// Parts lie in range of what was announced and do not overlap; so all is there when their bytes
/// add up to it.
#[derive(Debug)]
pub(super) struct Session<T> {
    began: Timestamp,
    progressed: Timestamp,
    announcement: Option<Announcement<T>>,
    /// By place in the list of values, then by offset.
    parts: BTreeMap<(usize, usize), Box<[u8]>>,
    /// Sum of the parts' lengths.
    received: usize,
}

#[derive(Debug)]
pub(super) struct Announcement<T> {
    context: T,
    /// Size of each value in bytes; 0 for what does not come in parts.
    sizes: Box<[u32]>,
    /// Sum of the sizes.
    expected: u64,
}

impl<T> Session<T> {
    const LIFETIME: Duration = Duration::from_secs(10);
    const TIMEOUT: Duration = Duration::from_secs(3);
    const EARLY_PARTS: usize = 98;
    const EARLY_BYTES: usize = 122_912;
    /// What a part costs besides its bytes.
    const PART_OVERHEAD: usize = 64;

    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            progressed: now,
            announcement: None,
            parts: BTreeMap::new(),
            received: 0,
        }
    }

    /// When it ends unless there is progress.
    pub(super) fn deadline(&self) -> Timestamp {
        (self.began + Self::LIFETIME).min(self.progressed + Self::TIMEOUT)
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announcement.is_some()
    }

    pub(super) fn announced_bytes(&self) -> u64 {
        let announcement = self.announcement.as_ref();
        announcement.map_or(0, |announcement| announcement.expected)
    }

    pub(super) fn holds_anything(&self) -> bool {
        self.is_announced() || self.received > 0
    }

    /// What it takes of the budget: all its memory, save for the context.
    pub(super) fn usage(&self) -> Usage {
        let sizes = self.announcement.as_ref().map_or(0, Announcement::cost);
        Usage {
            sessions: 1,
            bytes: sizes + self.parts.len() * Self::PART_OVERHEAD + self.received,
        }
    }

    /// What it would take with one more part.
    pub(super) fn usage_with(&self, part: &Part<'_>) -> Usage {
        let Usage { sessions, bytes } = self.usage();
        Usage {
            sessions,
            bytes: bytes + Self::PART_OVERHEAD + part.data.len(),
        }
    }

    /// Sets what to expect. Parts that came early and lie outside of it are dropped.
    pub(super) fn announce(&mut self, announcement: Announcement<T>, now: Timestamp) {
        self.progressed = now;
        self.parts
            .retain(|(index, offset), data| announcement.holds(*index, *offset, data.len()));
        self.received = self.parts.values().map(|data| data.len()).sum();
        self.announcement = Some(announcement);
    }

    /// Whether a part is in range and brings something new.
    pub(super) fn lacks(&self, part: &Part<'_>) -> bool {
        let len = part.data.len();
        let fits = match &self.announcement {
            Some(announcement) => announcement.holds(part.index, part.offset, len),
            None => {
                self.parts.len() < Self::EARLY_PARTS
                    && self.received + len <= Self::EARLY_BYTES
                    && fits_into(MAX_VALUE_BYTES, part.offset, len)
            }
        };
        len > 0 && fits && !self.overlaps(part)
    }

    /// Takes a part that it lacks.
    pub(super) fn insert(&mut self, part: &Part<'_>, now: Timestamp) {
        self.progressed = now;
        self.received += part.data.len();
        self.parts
            .insert((part.index, part.offset), part.data.into());
    }

    pub(super) fn is_complete(&self) -> bool {
        self.announcement
            .as_ref()
            .is_some_and(|announcement| announcement.expected == self.received as u64)
    }

    /// The values put together that are whole, or `None` if they were never announced.
    pub(super) fn into_completed(self) -> Option<Completed<T>> {
        let Announcement { context, sizes, .. } = self.announcement?;
        let mut parts = self.parts.into_iter().peekable();
        let mut whole = |(index, size): (usize, u32)| {
            let has_any = parts.peek().is_some_and(|((of, _), _)| *of == index);
            let mut bytes = Vec::with_capacity(if has_any { size as usize } else { 0 });
            while let Some((_, data)) = parts.next_if(|((of, _), _)| *of == index) {
                bytes.extend_from_slice(&data);
            }
            (bytes.len() == size as usize).then(|| (index, Bytes::from(bytes)))
        };
        let awaited = |(_, size): &(usize, u32)| *size > 0;
        let values = sizes.into_iter().enumerate().filter(awaited);
        Some(Completed {
            context,
            values: values.filter_map(&mut whole).collect(),
        })
    }

    fn overlaps(&self, part: &Part<'_>) -> bool {
        let end = part.offset.saturating_add(part.data.len());
        self.parts
            .range((part.index, 0)..(part.index, end))
            .next_back()
            .is_some_and(|((_, offset), data)| offset + data.len() > part.offset)
    }
}

impl<T> Announcement<T> {
    pub(super) fn new(slots: impl IntoIterator<Item = Slot>, context: T) -> Self {
        let sizes: Box<[u32]> = slots.into_iter().map(size_in_parts).collect();
        Self {
            context,
            expected: sizes.iter().copied().map(u64::from).sum(),
            sizes,
        }
    }

    fn cost(&self) -> usize {
        size_of_val(&*self.sizes)
    }

    fn holds(&self, index: usize, offset: usize, len: usize) -> bool {
        let size = self.sizes.get(index).copied().unwrap_or(0);
        fits_into(size as usize, offset, len)
    }
}

fn fits_into(size: usize, offset: usize, len: usize) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= size)
}

fn size_in_parts(slot: Slot) -> u32 {
    match slot {
        Slot::Announced(size) if size <= MAX_VALUE_BYTES => size as u32,
        Slot::Announced(_) | Slot::Embedded => 0,
    }
}
