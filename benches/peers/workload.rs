//! [`Workload`]: what the node is asked, made ready before it is measured.

use std::fmt;
use std::io::Result;

use bulla::identity::PrivateKey;
use bulla::wire::{
    self, FindRequest, GetRequest, ListenRequest, PutRequest, Request, SocketId, Values,
};
use bulla::{Draft, InfoHash, Query, Value, ValueId};

use crate::field::Field;
use crate::load::Batch;
use crate::peer::ask;

/// A kind of requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Workload {
    Ping,
    Find,
    /// Of one value of 64 bytes.
    Get,
    /// Of eight values of 1,000 bytes, which come in parts.
    GetLarge,
    /// Of a value of 64 bytes, each under a key of its own.
    Put,
    /// Of a value of 64 bytes, all under one key.
    PutTogether,
    /// Of a value of 64 bytes signed with 2,048 bits, each under a key of its own.
    PutSigned,
    /// On a key of its own each.
    Listen,
    /// Twenty on each key.
    ListenTogether,
    /// Of ten requests four get, two find, two put, one pings, one listens.
    Mix,
}

/// Values of which each is sent once to each node.
#[derive(Default)]
pub(crate) struct Signed(Vec<Value>);

/// The values of 1,000 bytes under one key.
const LARGE: u64 = 8;
/// Listeners that share a key.
const TOGETHER: usize = 20;

impl Workload {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ping,
        Self::Find,
        Self::Get,
        Self::GetLarge,
        Self::Put,
        Self::PutSigned,
        Self::Listen,
        Self::ListenTogether,
        Self::Mix,
    ];

    /// How many requests are made for each 100 of pings: enough to measure, not more than can be
    /// waited for.
    fn share(self) -> usize {
        match self {
            Self::Ping | Self::Find | Self::Get | Self::Mix => 100,
            Self::Put | Self::PutTogether | Self::Listen | Self::ListenTogether => 50,
            Self::GetLarge => 25,
            Self::PutSigned => 2,
        }
    }

    /// How many requests are made where there are so many pings.
    pub(crate) fn count(self, pings: usize) -> usize {
        (pings * self.share() / 100).max(1)
    }

    /// So many requests of all peers together, after the node was told what they ask for.
    pub(crate) fn prepare(
        self,
        field: &mut Field,
        count: usize,
        signed: &Signed,
    ) -> Result<Vec<Batch>> {
        match self {
            Self::Get | Self::Mix => store(field, Self::Get.key(field), 1, 64)?,
            Self::GetLarge => store(field, self.key(field), LARGE, 1_000)?,
            _ => {}
        }
        let (near, tokens) = (field.node_id, field.tokens()?);
        let count = count.div_ceil(field.peers.len());
        let serial = field.take_serial(count * field.peers.len());
        let batches = field.peers.iter_mut().zip(&tokens).zip(0..);
        Ok(batches
            .map(|((peer, token), number)| {
                let first_tid = peer.take_tids(count);
                let ask = |index: usize| {
                    let place = Place {
                        near,
                        token,
                        number: number * count + index,
                        serial: serial + number * count + index,
                    };
                    let tid = first_tid + index as u32;
                    self.with_request(&place, signed, |request| peer.encode(tid, request))
                };
                Batch {
                    first_tid,
                    requests: (0..count).map(ask).collect(),
                }
            })
            .collect())
    }

    /// The key of the values that are got.
    fn key(self, field: &Field) -> InfoHash {
        near(field.node_id, &format!("{self}"))
    }

    fn with_request<T>(
        self,
        place: &Place<'_>,
        signed: &Signed,
        write: impl FnOnce(Request<'_>) -> T,
    ) -> T {
        let (id, token) = (place.near, place.token.into());
        let get = |workload: Self| {
            Request::Get(GetRequest {
                key: near(id, &format!("{workload}")),
                query: Query::default(),
                want: None,
                page: None,
            })
        };
        match self {
            Self::Ping => write(Request::Ping),
            Self::Find => write(Request::Find(FindRequest {
                target: InfoHash::of(&place.serial.to_be_bytes()),
                want: None,
            })),
            Self::Get | Self::GetLarge => write(get(self)),
            Self::Put | Self::PutTogether | Self::PutSigned => {
                let value = match self {
                    Self::PutSigned => signed.0[place.number % signed.0.len()].clone(),
                    _ => value(place.serial as u64, 64),
                };
                write(Request::Put(PutRequest {
                    key: match self {
                        Self::PutTogether => near(id, &format!("{self}")),
                        _ => near(id, &format!("{self} {}", place.serial)),
                    },
                    values: Values::new(&[value]),
                    created: None,
                    token,
                }))
            }
            Self::Listen | Self::ListenTogether => write(Request::Listen(ListenRequest {
                key: match self {
                    Self::ListenTogether => {
                        near(id, &format!("{self} {}", place.serial / TOGETHER))
                    }
                    _ => near(id, &format!("{self} {}", place.serial)),
                },
                version: 1,
                socket: SocketId(place.serial as u32),
                query: Query::default(),
                token,
            })),
            Self::Mix => {
                let part = match place.serial % 10 {
                    0..4 => Self::Get,
                    4..6 => Self::Find,
                    6..8 => Self::Put,
                    8 => Self::Ping,
                    _ => Self::Listen,
                };
                part.with_request(place, signed, write)
            }
        }
    }
}

/// What a request is made from.
struct Place<'a> {
    near: InfoHash,
    token: &'a [u8],
    /// Counts the requests of a workload.
    number: usize,
    /// Counts all requests made of a node.
    serial: usize,
}

impl Signed {
    /// Signs so many values.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let key = PrivateKey::generate(2048).map_err(std::io::Error::other)?;
        let sign = |number: u64| {
            let draft = Draft::new(vec![b's'; 64]);
            let body = wire::pack_body(&draft, key.public_key().to_der(), number as u16, None);
            let signature = key.sign(&body).map_err(std::io::Error::other)?;
            let id = ValueId(number + 1);
            wire::pack_signed(&draft, id, &body, &signature).map_err(std::io::Error::other)
        };
        (0..count as u64).map(sign).collect::<Result<_>>().map(Self)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "ping",
            Self::Find => "find",
            Self::Get => "get 64 B",
            Self::GetLarge => "get 8 x 1 kB",
            Self::Put => "put 64 B",
            Self::PutTogether => "put to one key",
            Self::PutSigned => "put signed",
            Self::Listen => "listen",
            Self::ListenTogether => "listen, 20 to a key",
            Self::Mix => "mix",
        })
    }
}

/// A key that the node at `id` is the nearest to, as nodes do not keep what is nearer to others.
pub(crate) fn near(id: InfoHash, name: &str) -> InfoHash {
    let mut key = *InfoHash::of(name.as_bytes()).as_bytes();
    key[..4].copy_from_slice(&id.as_bytes()[..4]);
    InfoHash::new(key)
}

/// A value whose payload is its own.
pub(crate) fn value(serial: u64, len: usize) -> Value {
    let mut data = vec![b'v'; len];
    data[..8].copy_from_slice(&serial.to_be_bytes());
    wire::pack(&Draft::new(data), ValueId(serial + 1))
}

/// Has the node keep values under a key.
pub(crate) fn store(field: &mut Field, key: InfoHash, count: u64, len: usize) -> Result<()> {
    let token = field.tokens()?.swap_remove(0);
    for number in 0..count {
        let value = value(number, len);
        let request = Request::Put(PutRequest {
            key,
            values: Values::new(std::slice::from_ref(&value)),
            created: None,
            token: (&token[..]).into(),
        });
        ask(&mut field.peers, 0, request)?;
    }
    Ok(())
}
