//! [`Arguments`]: the body of a message, whatever its kind.

use std::borrow::Cow;
use std::net::IpAddr;

use super::nodes::ip_of;
use super::{Rows, SocketId, Values, Want, query};
use crate::msgpack::{DecodeError, MapWriter, Raw};
use crate::value::{Query, ValueId};
use crate::{InfoHash, UnixTime};

/// All keys that are known in any body; of a repeated one the last counts. A value of a wrong type
/// spoils the message, even where the key has no meaning.
#[derive(Default)]
pub(super) struct Arguments<'a> {
    pub(super) id: Option<InfoHash>,
    pub(super) key: Option<InfoHash>,
    pub(super) target: Option<InfoHash>,
    pub(super) want: Option<Want>,
    pub(super) query: Query,
    pub(super) version: u32,
    pub(super) socket: SocketId,
    pub(super) token: Option<Cow<'a, [u8]>>,
    pub(super) created: Option<UnixTime>,
    pub(super) value_id: Option<ValueId>,
    pub(super) observed: Option<IpAddr>,
    /// Read further in replies only.
    pub(super) nodes4: Option<Raw<'a>>,
    pub(super) nodes6: Option<Raw<'a>>,
    pub(super) values: Option<Values<'a>>,
    pub(super) rows: Option<Rows<'a>>,
    pub(super) refreshed: Vec<ValueId>,
    pub(super) expired: Vec<ValueId>,
}

impl<'a> Arguments<'a> {
    pub(super) fn read(body: Raw<'a>) -> Result<Self, DecodeError> {
        let mut arguments = Self::default();
        body.map()?.each(|key, value| {
            match key {
                b"id" => arguments.id = Some(value.hash()?),
                b"h" => arguments.key = Some(value.hash()?),
                b"target" => arguments.target = Some(value.hash()?),
                b"w" => arguments.want = Some(read_want(value)?),
                b"q" => arguments.query = query::read(value)?,
                b"ve" => arguments.version = value.uint()?,
                b"sid" => arguments.socket = SocketId(value.number32()?),
                b"token" => arguments.token = Some(value.blob()?),
                b"c" => arguments.created = Some(UnixTime::from_secs(value.uint()?)),
                b"vid" => arguments.value_id = Some(ValueId(value.uint()?)),
                b"sa" => arguments.observed = ip_of(value.bin()?),
                b"n4" => arguments.nodes4 = Some(value),
                b"n6" => arguments.nodes6 = Some(value),
                b"values" => arguments.values = Some(Values::read(value)?),
                b"fileds" => arguments.rows = Some(Rows::read(value)?),
                b"re" => arguments.refreshed = read_ids(value)?,
                b"exp" => arguments.expired = read_ids(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(arguments)
    }

    /// Returns the sender's id, without which nothing is answered.
    pub(super) fn sender(&self) -> Result<InfoHash, DecodeError> {
        self.id
            .filter(|id| !id.is_zero())
            .ok_or(DecodeError::Missing("id"))
    }
}

/// Reads families; unknown numbers are ignored, and what is no number as well.
fn read_want(raw: Raw<'_>) -> Result<Want, DecodeError> {
    let numbers = raw.array()?.filter_map(|family| family.uint().ok());
    Ok(numbers.fold(Want::default(), Want::with))
}

fn read_ids(raw: Raw<'_>) -> Result<Vec<ValueId>, DecodeError> {
    raw.array()?.map(|id| id.uint().map(ValueId)).collect()
}

/// Writes a list of ids, unless it is empty.
pub(super) fn write_ids(map: &mut MapWriter<'_>, key: &str, ids: &[ValueId]) {
    if !ids.is_empty() {
        let list = map.key(key);
        list.array(ids.len());
        for id in ids {
            list.uint(id.0);
        }
    }
}
