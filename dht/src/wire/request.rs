//! [`Request`]: what a node can be asked
//! (`docs/spec/wire.md#5` to `docs/spec/wire.md#8`, `docs/spec/wire.md#11`).

use std::borrow::Cow;

use super::arguments::write_ids;
use super::{Arguments, Page, SocketId, Values, query};
use crate::msgpack::{DecodeError, MapWriter, Writer};
use crate::value::{Query, ValueId};
use crate::{ByFamily, InfoHash, UnixTime};

/// A request. A key that is not there is read as [`InfoHash::ZERO`], which is no key.
#[derive(Clone, PartialEq, Debug)]
pub enum Request<'a> {
    /// Are you there?
    Ping,
    /// Which nodes are near an id?
    Find(FindRequest),
    /// Which values are under a key, and which nodes near it?
    Get(GetRequest),
    /// Store these values.
    Put(PutRequest<'a>),
    /// Keep a value for another lifetime.
    Refresh(RefreshRequest<'a>),
    /// Send me changes under a key.
    Listen(ListenRequest<'a>),
    /// Something changed under a key that you listen to.
    Update(UpdateRequest<'a>),
}

/// Asks for the nodes near an id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FindRequest {
    /// The id.
    pub target: InfoHash,
    /// The families of nodes wanted; absent: that of the request.
    pub want: Option<Want>,
}

/// Asks for the values under a key, and for the nodes near it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetRequest {
    /// The key.
    pub key: InfoHash,
    /// Which values, and what of them.
    pub query: Query,
    /// The families of nodes wanted; absent: that of the request.
    pub want: Option<Want>,
    /// Which part of the answer, if not as much as there is room for.
    pub page: Option<Page>,
}

/// Asks for values to be stored.
#[derive(Clone, PartialEq, Debug)]
pub struct PutRequest<'a> {
    /// The key.
    pub key: InfoHash,
    /// The values; others send one.
    pub values: Values<'a>,
    /// When they were made; absent: now.
    pub created: Option<UnixTime>,
    /// The receiver's write token.
    pub token: Cow<'a, [u8]>,
}

/// Asks for a value to be kept for another lifetime.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshRequest<'a> {
    /// The key.
    pub key: InfoHash,
    /// The value.
    pub id: ValueId,
    /// The receiver's write token.
    pub token: Cow<'a, [u8]>,
}

/// Asks to be told of changes under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenRequest<'a> {
    /// The key.
    pub key: InfoHash,
    /// The form of notifications: 0 for bare replies, or 1 and more for [`Request::Update`].
    pub version: u32,
    /// The number that notifications shall bear.
    pub socket: SocketId,
    /// Which values.
    pub query: Query,
    /// The receiver's write token.
    pub token: Cow<'a, [u8]>,
}

/// Tells a listener what has changed under its key.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateRequest<'a> {
    /// The listener's number.
    pub socket: SocketId,
    /// The key; given with values only.
    pub key: Option<InfoHash>,
    /// New and changed values.
    pub values: Values<'a>,
    /// When they were made; absent: now.
    pub created: Option<UnixTime>,
    /// Values that live on.
    pub refreshed: Cow<'a, [ValueId]>,
    /// Values that are gone.
    pub expired: Cow<'a, [ValueId]>,
    /// The sender's write token for the listener.
    pub token: Cow<'a, [u8]>,
}

/// The address families of the nodes that are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Want(pub ByFamily<bool>);

impl<'a> Request<'a> {
    /// Returns the name it has on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Find(_) => "find",
            Self::Get(_) => "get",
            Self::Put(_) => "put",
            Self::Refresh(_) => "refresh",
            Self::Listen(_) => "listen",
            Self::Update(_) => "update",
        }
    }

    /// Returns the values that it carries.
    pub(super) fn values(&self) -> Values<'a> {
        match self {
            Self::Put(put) => put.values,
            Self::Update(update) => update.values,
            Self::Ping | Self::Find(_) | Self::Get(_) | Self::Refresh(_) | Self::Listen(_) => {
                Values::default()
            }
        }
    }

    /// Reports whether it is an update about ids, which has an order of keys of its own.
    pub(super) fn is_update_of_ids(&self) -> bool {
        matches!(self, Self::Update(update)
            if !update.refreshed.is_empty() || !update.expired.is_empty())
    }

    pub(super) fn read(name: &[u8], arguments: Arguments<'a>) -> Result<Self, DecodeError> {
        let key = arguments.key.unwrap_or_default();
        let token = arguments.token.unwrap_or_default();
        Ok(match name {
            b"ping" => Self::Ping,
            b"find" => Self::Find(FindRequest {
                target: arguments.target.unwrap_or_default(),
                want: arguments.want,
            }),
            b"get" => Self::Get(GetRequest {
                key,
                query: arguments.query,
                want: arguments.want,
                page: None,
            }),
            b"put" => Self::Put(PutRequest {
                key,
                values: arguments.values.unwrap_or_default(),
                created: arguments.created,
                token,
            }),
            b"refresh" => Self::Refresh(RefreshRequest {
                key,
                id: arguments.value_id.unwrap_or_default(),
                token,
            }),
            b"listen" => Self::Listen(ListenRequest {
                key,
                version: arguments.version,
                socket: arguments.socket,
                query: arguments.query,
                token,
            }),
            b"update" => Self::Update(UpdateRequest {
                socket: arguments.socket,
                key: arguments.key,
                values: arguments.values.unwrap_or_default(),
                created: arguments.created,
                refreshed: arguments.refreshed.into(),
                expired: arguments.expired.into(),
                token,
            }),
            _ => return Err(DecodeError::UnknownKind),
        })
    }

    pub(super) fn write(&self, sender: &InfoHash, out: &mut Writer) {
        out.map(|map| {
            map.hash("id", sender);
            match self {
                Self::Ping => {}
                Self::Find(find) => find.write(map),
                Self::Get(get) => get.write(map),
                Self::Put(put) => put.write(map),
                Self::Refresh(refresh) => refresh.write(map),
                Self::Listen(listen) => listen.write(map),
                Self::Update(update) => update.write(map),
            }
        });
    }
}

impl FindRequest {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.hash("target", &self.target);
        write_want(self.want, map);
    }
}

impl GetRequest {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.hash("h", &self.key);
        write_query(&self.query, map);
        write_want(self.want, map);
    }
}

impl PutRequest<'_> {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.hash("h", &self.key);
        self.values.write(map.key("values"));
        write_created(self.created, map);
        map.bin("token", &self.token);
    }
}

impl RefreshRequest<'_> {
    fn write(&self, map: &mut MapWriter<'_>) {
        map.hash("h", &self.key);
        map.uint("vid", self.id.0);
        map.bin("token", &self.token);
    }
}

impl ListenRequest<'_> {
    fn write(&self, map: &mut MapWriter<'_>) {
        if self.version != 0 {
            map.uint("ve", self.version.into());
        }
        map.hash("h", &self.key);
        map.bin("token", &self.token);
        map.uint("sid", self.socket.0.into());
        write_query(&self.query, map);
    }
}

impl UpdateRequest<'_> {
    fn write(&self, map: &mut MapWriter<'_>) {
        if let Some(key) = &self.key {
            map.uint("ve", 1);
            map.hash("h", key);
        }
        map.uint("sid", self.socket.0.into());
        if !self.values.is_empty() {
            self.values.write(map.key("values"));
        }
        write_created(self.created, map);
        map.bin("token", &self.token);
        write_ids(map, "re", &self.refreshed);
        write_ids(map, "exp", &self.expired);
    }
}

impl Want {
    /// Both families.
    pub const BOTH: Self = Self(ByFamily { v4: true, v6: true });

    const V4: u64 = 2;
    /// `AF_INET6` of Linux, Windows, FreeBSD and macOS.
    const V6: [u64; 4] = [10, 23, 28, 30];

    /// Adds a family by number.
    ///
    /// Differs: others know only the numbers of their own operating system.
    pub(super) fn with(self, number: u64) -> Self {
        let Self(ByFamily { v4, v6 }) = self;
        Self(ByFamily {
            v4: v4 || number == Self::V4,
            v6: v6 || Self::V6.contains(&number),
        })
    }
}

/// Writes the numbers of the families.
///
/// Differs: IPv6 is written in the numbers of all operating systems, for each receiver to find its
/// own.
fn write_want(want: Option<Want>, map: &mut MapWriter<'_>) {
    if let Some(Want(ByFamily { v4, v6 })) = want {
        let numbers = map.key("w");
        let v4 = v4.then_some(Want::V4);
        let v6 = if v6 { &Want::V6[..] } else { &[] };
        numbers.array(v4.iter().count() + v6.len());
        v4.iter().chain(v6).for_each(|number| numbers.uint(*number));
    }
}

fn write_query(query: &Query, map: &mut MapWriter<'_>) {
    if !query.is_empty() {
        query::write(query, map.key("q"));
    }
}

fn write_created(created: Option<UnixTime>, map: &mut MapWriter<'_>) {
    if let Some(created) = created {
        map.uint("c", created.as_secs());
    }
}
