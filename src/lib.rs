//! bulla: a secure signed-value store on a Kademlia DHT that speaks OpenDHT's wire protocol.

mod config;
mod contact;
mod infohash;
mod lookup;
pub mod node;
mod rng;
pub mod routing;
pub mod rpc;
#[cfg(feature = "runner")]
pub mod runner;
pub mod secure;
mod sockaddr;
pub mod storage;
mod time;
pub mod token;
mod value;
pub mod wire;

#[doc(no_inline)]
pub use bulla_identity::{self as identity, Identity};
pub use config::{Config, ConfigError};
pub use contact::{Contact, Family, Source, canonical, is_martian};
pub use infohash::{Distance, InfoHash, ParseHashError};
pub use rng::{Rng, Seed};
#[cfg(feature = "runner")]
pub use runner::{Handle, Runner};
pub use time::{Origin, Timestamp, UnixTime};
pub use value::{
    Body, CertificateChain, Condition, Content, DhtMessage, Draft, Field, IceCandidates, ImMessage,
    ImStatus, Kind, Kinds, ParseQueryError, PayloadError, Policy, Query, Row, Rules,
    ServiceAnnouncement, Signed, TrustRequest, Typed, Value, ValueId, policy,
};
