//! [`Reply`]: the answer to a request
//! (`docs/spec/wire.md#5` to `docs/spec/wire.md#8`, `docs/spec/wire.md#11`).

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Arguments, Nodes, Rest, Rows, Values};
use crate::msgpack::{DecodeError, Writer};
use crate::value::ValueId;
use crate::{Family, InfoHash};

/// An answer. What is in it depends on the request, which it does not name.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Reply<'a> {
    /// The asker's address as the answerer sees it.
    pub observed: Option<IpAddr>,
    /// IPv4 nodes near the key, nearest first.
    pub nodes4: Nodes<'a>,
    /// IPv6 nodes near the key, nearest first.
    pub nodes6: Nodes<'a>,
    /// A write token; must be in every answer to find and get.
    pub token: Option<Cow<'a, [u8]>>,
    /// The matching values. An empty list is not sent, and read as none.
    pub values: Option<Values<'a>>,
    /// The selected fields of the matching values. An empty table is not sent, and read as none.
    pub rows: Option<Rows<'a>>,
    /// The value that was put or refreshed.
    pub value_id: Option<ValueId>,
    /// What a part of an answer has to say of the rest.
    pub rest: Option<Rest<'a>>,
}

impl<'a> Reply<'a> {
    pub(super) fn read(arguments: Arguments<'a>) -> Result<Self, DecodeError> {
        let nodes = |raw: Option<_>, family| {
            raw.map_or(Ok(Nodes::default()), |raw| Nodes::read(raw, family))
        };
        Ok(Self {
            observed: arguments.observed,
            nodes4: nodes(arguments.nodes4, Family::V4)?,
            nodes6: nodes(arguments.nodes6, Family::V6)?,
            token: arguments.token,
            values: arguments.values.filter(|values| !values.is_empty()),
            rows: arguments.rows.filter(|rows| !rows.is_empty()),
            value_id: arguments.value_id,
            rest: None,
        })
    }

    pub(super) fn write(&self, sender: &InfoHash, out: &mut Writer) {
        out.map(|map| {
            map.hash("id", sender);
            if let Some(id) = self.value_id {
                map.uint("vid", id.0);
            }
            match self.observed {
                Some(IpAddr::V4(ip)) => map.bin("sa", &ip.octets()),
                Some(IpAddr::V6(ip)) => map.bin("sa", &ip.octets()),
                None => {}
            }
            self.nodes4.write(map, Family::V4);
            self.nodes6.write(map, Family::V6);
            if let Some(token) = &self.token {
                map.bin("token", token);
            }
            if let Some(values) = self.values.filter(|values| !values.is_empty()) {
                values.write(map.key("values"));
            }
            if let Some(rows) = self.rows.filter(|rows| !rows.is_empty()) {
                rows.write(map.key("fileds"));
            }
        });
    }
}
