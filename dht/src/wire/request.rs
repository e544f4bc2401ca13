//! [`Request`]: what a node can be asked
//! (`docs/spec/wire.md#5` to `docs/spec/wire.md#8`, `docs/spec/wire.md#11`).

use std::borrow::Cow;

use super::arguments::write_ids;
use super::{Arguments, SocketId, Values, query};
use crate::msgpack::{DecodeError, MapWriter, Writer};
use crate::value::{Query, ValueId};
use crate::{InfoHash, UnixTime};

/// A request. A key that is not there is read as [`InfoHash::ZERO`], which is no key.
#[derive(Clone, PartialEq, Debug)]
pub enum Request<'a> {
    /// Are you there?
    Ping,
    /// Which nodes are near `target`?
    Find {
        /// The place asked for.
        target: InfoHash,
        /// The families of nodes wanted; absent: that of the request.
        want: Option<Want>,
    },
    /// Which values are under `key`, and which nodes near it?
    Get {
        /// The key.
        key: InfoHash,
        /// Which values, and what of them.
        query: Query,
        /// The families of nodes wanted; absent: that of the request.
        want: Option<Want>,
    },
    /// Store these values.
    Put {
        /// The key.
        key: InfoHash,
        /// The values; others send one.
        values: Values<'a>,
        /// When they were made; absent: now.
        created: Option<UnixTime>,
        /// The answerer's write token.
        token: Cow<'a, [u8]>,
    },
    /// Keep a value for another lifetime.
    Refresh {
        /// The key.
        key: InfoHash,
        /// The value.
        id: ValueId,
        /// The answerer's write token.
        token: Cow<'a, [u8]>,
    },
    /// Tell me about changes under `key`.
    Listen {
        /// The key.
        key: InfoHash,
        /// The form of notifications: 0, or 1 and more for [`Request::Update`].
        version: u32,
        /// Under which number to tell.
        socket: SocketId,
        /// Which values.
        query: Query,
        /// The answerer's write token.
        token: Cow<'a, [u8]>,
    },
    /// Something changed under a key that you listen to.
    Update {
        /// The listener's number.
        socket: SocketId,
        /// The key; given with values only.
        key: Option<InfoHash>,
        /// New and changed values.
        values: Values<'a>,
        /// When they were made; absent: now.
        created: Option<UnixTime>,
        /// Values that live on.
        refreshed: Cow<'a, [ValueId]>,
        /// Values that are gone.
        expired: Cow<'a, [ValueId]>,
        /// The sender's write token for the listener.
        token: Cow<'a, [u8]>,
    },
}

/// The address families whose nodes are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Want {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl<'a> Request<'a> {
    /// The name it has on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Find { .. } => "find",
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::Refresh { .. } => "refresh",
            Self::Listen { .. } => "listen",
            Self::Update { .. } => "update",
        }
    }

    /// The values that it carries.
    pub(super) fn values(&self) -> Values<'a> {
        match self {
            Self::Put { values, .. } | Self::Update { values, .. } => *values,
            Self::Ping
            | Self::Find { .. }
            | Self::Get { .. }
            | Self::Refresh { .. }
            | Self::Listen { .. } => Values::default(),
        }
    }

    /// Whether it is an update about ids alone, which has an order of keys of its own.
    pub(super) fn is_notice_of_ids(&self) -> bool {
        matches!(self, Self::Update { refreshed, expired, .. }
            if !refreshed.is_empty() || !expired.is_empty())
    }

    pub(super) fn read(name: &[u8], arguments: Arguments<'a>) -> Result<Self, DecodeError> {
        let key = arguments.key.unwrap_or_default();
        let token = arguments.token.unwrap_or_default();
        Ok(match name {
            b"ping" => Self::Ping,
            b"find" => Self::Find {
                target: arguments.target.unwrap_or_default(),
                want: arguments.want,
            },
            b"get" => Self::Get {
                key,
                query: arguments.query,
                want: arguments.want,
            },
            b"put" => Self::Put {
                key,
                values: arguments.values.unwrap_or_default(),
                created: arguments.created,
                token,
            },
            b"refresh" => Self::Refresh {
                key,
                id: arguments.value_id.unwrap_or_default(),
                token,
            },
            b"listen" => Self::Listen {
                key,
                version: arguments.version,
                socket: arguments.socket,
                query: arguments.query,
                token,
            },
            b"update" => Self::Update {
                socket: arguments.socket,
                key: arguments.key,
                values: arguments.values.unwrap_or_default(),
                created: arguments.created,
                refreshed: arguments.refreshed.into(),
                expired: arguments.expired.into(),
                token,
            },
            _ => return Err(DecodeError::UnknownKind),
        })
    }

    pub(super) fn write(&self, sender: &InfoHash, out: &mut Writer) {
        out.map(|map| {
            map.hash("id", sender);
            self.write_arguments(map);
        });
    }

    fn write_arguments(&self, map: &mut MapWriter<'_>) {
        match self {
            Self::Ping => {}
            Self::Find { target, want } => {
                map.hash("target", target);
                write_want(*want, map);
            }
            Self::Get { key, query, want } => {
                map.hash("h", key);
                write_query(query, map);
                write_want(*want, map);
            }
            Self::Put {
                key,
                values,
                created,
                token,
            } => {
                map.hash("h", key);
                values.write(map.key("values"));
                write_created(*created, map);
                map.bin("token", token);
            }
            Self::Refresh { key, id, token } => {
                map.hash("h", key);
                map.uint("vid", id.0);
                map.bin("token", token);
            }
            Self::Listen {
                key,
                version,
                socket,
                query,
                token,
            } => {
                if *version != 0 {
                    map.uint("ve", u64::from(*version));
                }
                map.hash("h", key);
                map.bin("token", token);
                map.uint("sid", socket.0.into());
                write_query(query, map);
            }
            Self::Update {
                socket,
                key,
                values,
                created,
                refreshed,
                expired,
                token,
            } => {
                if let Some(key) = key {
                    map.uint("ve", 1);
                    map.hash("h", key);
                }
                map.uint("sid", socket.0.into());
                if !values.is_empty() {
                    values.write(map.key("values"));
                }
                write_created(*created, map);
                map.bin("token", token);
                write_ids(map, "re", refreshed);
                write_ids(map, "exp", expired);
            }
        }
    }
}

impl Want {
    /// Both families.
    pub const BOTH: Self = Self { v4: true, v6: true };

    const V4: u64 = 2;
    /// `AF_INET6` of Linux, Windows, FreeBSD and macOS.
    const V6: [u64; 4] = [10, 23, 28, 30];

    /// Adds a family by number. Differs: others know only the numbers of their own operating system.
    pub(super) fn with(self, number: u64) -> Self {
        Self {
            v4: self.v4 || number == Self::V4,
            v6: self.v6 || Self::V6.contains(&number),
        }
    }
}

/// Differs: IPv6 is written in the numbers of all operating systems, for each receiver to find its own.
fn write_want(want: Option<Want>, map: &mut MapWriter<'_>) {
    if let Some(Want { v4, v6 }) = want {
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
