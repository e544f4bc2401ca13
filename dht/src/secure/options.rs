//! What the application may choose: how the secure layer is set up ([`SecureConfig`]), what a get
//! or listen is for ([`GetOptions`]), how a value is signed ([`SignOptions`]).

use std::time::Duration;

use crate::UnixTime;
use crate::node::PutOptions;
use crate::value::Query;

/// The settings of the secure layer. Public fields over [`SecureConfig::default`]; any
/// setting is allowed, 0 switches off what it bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecureConfig {
    /// Announce the own certificate once connected, for as long as the node runs. Default `true`.
    pub publish_certificate: bool,
    /// Remember the keys of all signers of values, not only of the senders of encrypted ones.
    /// Default `false`.
    pub remember_signers: bool,
    /// How long after its expiry a bound value is still taken, for clocks that differ. Default one
    /// minute.
    pub clock_tolerance: Duration,
    /// Signed and encrypted puts being prepared and certificate searches, at a time. Default 4,096;
    /// a put holds its payload.
    pub max_preparations: usize,
    /// Bytes of values found for the application that wait for their verdict, each counted with 512
    /// bytes on top; what exceeds it is dropped. Default 64 MiB.
    pub max_waiting_bytes: usize,
    /// Values of other nodes with proofs that are being checked before we store them. Default
    /// 256; at most 64 KiB each. At some 0.2 ms of work each, the last is judged before its sender
    /// asks again.
    pub max_remote_checks: usize,
    /// The same for one source, an IPv4 address or IPv6 /64. Default 32.
    pub max_remote_checks_per_source: usize,
    /// Verdicts remembered, so that a value that comes again costs no cryptography. Default 8,192;
    /// about 200 bytes each. That a signature holds is forgotten with the signer's key.
    pub max_verdicts: usize,
    /// Certificates of others, public keys and keys of recent signers that are remembered, each.
    /// Default 1,024; some kilobytes each.
    pub max_keys: usize,
    /// Values that one search for a certificate looks at. Default 64.
    pub max_candidates: usize,
    /// Values of one get or listen whose edition is remembered, so that none is followed by an
    /// older one. Default 4,096; about 100 bytes each.
    pub max_editions: usize,
}

/// Which values a get or listen is for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GetOptions {
    /// The conditions that they meet.
    pub query: Query,
    /// Only those that are [bound](super::Binding) to where they are found. Then conditions on the
    /// user type are about the application's part of it, also of encrypted values, and are checked
    /// here: storing nodes compare it whole.
    pub bound_only: bool,
}

/// How a value is signed and put.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SignOptions {
    /// What the node is told.
    pub put: PutOptions,
    /// For which place it is signed.
    pub scope: Scope,
}

/// For which place a value is signed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Scope {
    /// For any, and for ever, as OpenDHT signs: any node that has the value can put it elsewhere
    /// and again.
    #[default]
    Anywhere,
    /// For its key and id alone.
    Bound,
    /// For its key and id alone, and until then.
    BoundUntil(Expiry),
}

/// When a bound value expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// At this time; fractions of a second are cut off.
    At(UnixTime),
    /// This long after the put was asked for.
    After(Duration),
}

impl Default for SecureConfig {
    fn default() -> Self {
        Self {
            publish_certificate: true,
            remember_signers: false,
            clock_tolerance: Duration::from_secs(60),
            max_preparations: 4_096,
            max_waiting_bytes: 64 << 20,
            max_remote_checks: 256,
            max_remote_checks_per_source: 32,
            max_verdicts: 8_192,
            max_keys: 1_024,
            max_candidates: 64,
            max_editions: 4_096,
        }
    }
}

impl From<Query> for GetOptions {
    fn from(query: Query) -> Self {
        Self {
            query,
            bound_only: false,
        }
    }
}

impl From<PutOptions> for SignOptions {
    fn from(put: PutOptions) -> Self {
        Self {
            put,
            scope: Scope::Anywhere,
        }
    }
}

impl From<UnixTime> for Expiry {
    fn from(at: UnixTime) -> Self {
        Self::At(at)
    }
}

impl From<Duration> for Expiry {
    fn from(after: Duration) -> Self {
        Self::After(after)
    }
}
