//! [`SecureConfig`]: the bounds of the secure layer, each with the memory it implies.

use std::time::Duration;

/// What the secure layer is told at its start. Public fields over [`SecureConfig::default`]; any setting is allowed,
/// 0 switches off what it bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecureConfig {
    /// Announce the own certificate once connected, for as long as the node runs. Default `true`.
    pub publish_certificate: bool,
    /// Remember the keys of all who signed a value, not only of those who encrypted one for us. Default `false`.
    pub remember_signers: bool,
    /// How long after its expiry a bound value is still taken, for clocks that differ. Default one minute.
    pub clock_tolerance: Duration,
    /// Signed and encrypted puts being prepared and certificate searches, at a time. Default 4,096; a put holds its
    /// payload.
    pub max_preparations: usize,
    /// Bytes of values found for the application that wait for their verdict, each counted with 512 bytes on top;
    /// what exceeds it is dropped. Default 64 MiB.
    pub max_waiting_bytes: usize,
    /// Values of strangers whose proofs are being checked before we store them, in total. Default 256; at most 64 KiB
    /// each. At some 0.2 ms of work each, the last is judged before its sender asks again.
    pub max_remote_checks: usize,
    /// The same for one source, an IPv4 address or IPv6 /64. Default 32.
    pub max_remote_checks_per_source: usize,
    /// Verdicts remembered, so that a value that comes again costs no cryptography. Default 8,192; about 200 bytes
    /// each. That a signature holds is forgotten with the signer's key.
    pub max_verdicts: usize,
    /// Certificates of others, public keys and keys of those who signed lately that are remembered, each. Default 1,024;
    /// some kilobytes each.
    pub max_keys: usize,
    /// Values that one search for a certificate looks at. Default 64.
    pub max_candidates: usize,
    /// Values of one get or listen whose edition is remembered, so that none is followed by an older one. Default
    /// 4,096; about 100 bytes each.
    pub max_editions: usize,
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
