//! [`Page`] and [`Rest`]: our extension by which a crowded key is read in pages. It stands under
//! the root key [`Message::EXTENSION_KEY`](super::Message::EXTENSION_KEY), which others ignore;
//! what is malformed there is ignored as well (`docs/DIFFERENCES.md`).

use std::borrow::Cow;

use crate::InfoHash;
use crate::msgpack::{DecodeError, MapWriter, Raw};
use crate::value::{Value, ValueId};

/// Which part of the answer to a get is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Page {
    /// Of a query for fields: the rows from this id on, in the order of ids, with digests.
    From(ValueId),
    /// Only values of these ids.
    Of(Vec<ValueId>),
}

/// Tells a value from others of its id.
pub type Digest = [u8; 8];

/// What an answer to a get leaves out, or what a page of rows has besides.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rest<'a> {
    /// How many values match in all; 0 if it is not said.
    pub total: u64,
    /// The id from which the next page of rows goes on.
    pub next: Option<ValueId>,
    /// The [`digest`](Rest::digest) of the value of each row, in their order.
    pub digests: Cow<'a, [u8]>,
}

impl Page {
    /// The most ids in one request, which is to fit into a datagram.
    pub const MAX_IDS: usize = 120;

    pub(super) fn read(raw: Raw<'_>) -> Option<Self> {
        let [from, ids] = raw.map().ok()?.first(["from", "ids"]);
        if let Some(from) = from {
            return from.uint().ok().map(|id| Self::From(ValueId(id)));
        }
        let ids = ids?.array().ok()?.take(Self::MAX_IDS);
        let ids: Result<_, DecodeError> = ids.map(|id| id.uint().map(ValueId)).collect();
        ids.ok().map(Self::Of)
    }

    pub(super) fn write(&self, map: &mut MapWriter<'_>) {
        match self {
            Self::From(id) => map.uint("from", id.0),
            Self::Of(ids) => {
                let list = map.key("ids");
                list.array(ids.len());
                for id in ids {
                    list.uint(id.0);
                }
            }
        }
    }
}

impl<'a> Rest<'a> {
    /// Returns what tells a value from others of its id: the first bytes of the SHA-1 of its packed
    /// form.
    pub fn digest(value: &Value) -> Digest {
        let [a, b, c, d, e, f, g, h, ..] = *InfoHash::of(value.packed()).as_bytes();
        [a, b, c, d, e, f, g, h]
    }

    pub(super) fn read(raw: Raw<'a>) -> Option<Self> {
        let [total, next, digests] = raw.map().ok()?.first(["n", "next", "sums"]);
        Some(Self {
            total: total.map_or(Ok(0), Raw::uint).ok()?,
            next: next.map(Raw::uint).transpose().ok()?.map(ValueId),
            digests: digests.map_or(Ok(&[][..]), Raw::bin).ok()?.into(),
        })
    }

    pub(super) fn write(&self, map: &mut MapWriter<'_>) {
        map.uint("n", self.total);
        if let Some(next) = self.next {
            map.uint("next", next.0);
        }
        if !self.digests.is_empty() {
            map.bin("sums", &self.digests);
        }
    }
}
