//! [`Arguments`]: the body of a message, whatever its kind.

use std::borrow::Cow;
use std::net::IpAddr;

use super::msgpack::Raw;
use super::nodes::ip_of;
use super::{DecodeError, Rows, SocketId, Values, Want, query};
use crate::value::{Query, ValueId};
use crate::{InfoHash, UnixTime};

/// All keys that are known in any body. One of a wrong type spoils the message, even where it has no meaning.
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
    /// Of interest in replies only, so not read any further.
    pub(super) nodes4: Option<Raw<'a>>,
    pub(super) nodes6: Option<Raw<'a>>,
    pub(super) values: Option<Values<'a>>,
    pub(super) rows: Option<Rows<'a>>,
    pub(super) refreshed: Vec<ValueId>,
    pub(super) expired: Vec<ValueId>,
}

impl<'a> Arguments<'a> {
    pub(super) fn read(body: Raw<'a>) -> Result<Self, DecodeError> {
        let [
            id,
            h,
            target,
            w,
            q,
            ve,
            sid,
            token,
            c,
            vid,
            sa,
            n4,
            n6,
            values,
            rows,
            re,
            exp,
        ] = body.map()?.last([
            "id", "h", "target", "w", "q", "ve", "sid", "token", "c", "vid", "sa", "n4", "n6",
            "values", "fileds", "re", "exp",
        ]);
        Ok(Self {
            id: id.map(Raw::hash).transpose()?,
            key: h.map(Raw::hash).transpose()?,
            target: target.map(Raw::hash).transpose()?,
            want: w.map(read_want).transpose()?,
            query: q.map(query::read).transpose()?.unwrap_or_default(),
            version: ve.map_or(Ok(0), Raw::uint)?,
            socket: SocketId(sid.map_or(Ok(0), Raw::number32)?),
            token: token.map(Raw::blob).transpose()?,
            created: c.map(Raw::uint).transpose()?.map(UnixTime::from_secs),
            value_id: vid.map(Raw::uint).transpose()?.map(ValueId),
            observed: sa.map(Raw::bin).transpose()?.and_then(ip_of),
            nodes4: n4,
            nodes6: n6,
            values: values.map(Values::read).transpose()?,
            rows: rows.map(Rows::read).transpose()?,
            refreshed: re.map_or(Ok(Vec::new()), read_ids)?,
            expired: exp.map_or(Ok(Vec::new()), read_ids)?,
        })
    }

    /// The sender's id, without which nothing is answered.
    pub(super) fn sender(&self) -> Result<InfoHash, DecodeError> {
        self.id
            .filter(|id| !id.is_zero())
            .ok_or(DecodeError::Missing("id"))
    }
}

/// Numbers that mean nothing to us are ignored, and what is no number as well.
fn read_want(raw: Raw<'_>) -> Result<Want, DecodeError> {
    let numbers = raw.array()?.filter_map(|family| family.uint().ok());
    Ok(numbers.fold(Want::default(), Want::with))
}

fn read_ids(raw: Raw<'_>) -> Result<Vec<ValueId>, DecodeError> {
    raw.array()?.map(|id| id.uint().map(ValueId)).collect()
}
