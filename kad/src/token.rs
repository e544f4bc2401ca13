//! [`Tokens`]: write tokens, which prove that a requester receives what is sent to its address
//! (`docs/spec/wire.md#13`).
//!
//! A token is a keyed hash of the requester's IP address and port, so that none has to be
//! remembered: SipHash-2-4 of 128 bits, made for short inputs and what DNS servers use for their
//! cookies (RFC 9018), twice, so that tokens are as long as OpenDHT's. The secret changes after a
//! random time and the one before it still counts: a token is good for at least one such time and
//! at most two.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use siphasher::sip128::SipHasher24;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{Rng, Timestamp};

/// Makes and checks write tokens.
///
/// ```
/// use bulla_kad::token::{TokenConfig, Tokens};
/// use bulla_kad::{Seed, Timestamp};
///
/// let mut rng = Seed::from_number(1).private();
/// let tokens = Tokens::new(&TokenConfig::default(), Timestamp::ZERO, &mut rng);
/// let requester = "192.0.2.1:4222".parse()?;
/// let token = tokens.token(requester);
/// assert!(tokens.verify(requester, &token));
/// assert!(!tokens.verify("192.0.2.1:4223".parse()?, &token));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Tokens {
    current: Secret,
    previous: Secret,
    period: (Duration, Duration),
    next_rotation: Timestamp,
}

struct Secret([u8; 16]);

impl Tokens {
    /// Length of the tokens made, in bytes.
    pub const LEN: usize = 32;

    /// Draws secrets from `rng`, the private stream; [`TokenConfig::rotation`] tells how long each
    /// is in use.
    pub fn new(config: &TokenConfig, now: Timestamp, rng: &mut Rng) -> Self {
        let period = config.rotation;
        Self {
            current: Secret::random(rng),
            previous: Secret::random(rng),
            period,
            next_rotation: now + rng.between(period.0, period.1),
        }
    }

    /// Returns the token to hand to the requester at `addr`.
    pub fn token(&self, addr: SocketAddr) -> [u8; Self::LEN] {
        self.current.token(addr)
    }

    /// Reports whether `token` was handed to `addr` lately. The time this takes does not depend on
    /// how much of it is right, only on how old it is.
    pub fn verify(&self, addr: SocketAddr, token: &[u8]) -> bool {
        let Ok(token) = <&[u8; Self::LEN]>::try_from(token) else {
            return false;
        };
        let matches = |secret: &Secret| words(&secret.token(addr)).ct_eq(&words(token)).into();
        matches(&self.current) || matches(&self.previous)
    }

    /// Returns when [`Tokens::rotate`] is to be called next.
    pub fn next_rotation(&self) -> Timestamp {
        self.next_rotation
    }

    /// Draws a new secret from `rng`, the private stream, and forgets the one before the last.
    pub fn rotate(&mut self, now: Timestamp, rng: &mut Rng) {
        self.previous = std::mem::replace(&mut self.current, Secret::random(rng));
        self.next_rotation = now + rng.between(self.period.0, self.period.1);
    }
}

impl Secret {
    fn random(rng: &mut Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        let secret = Self(bytes);
        bytes.zeroize();
        secret
    }

    /// An IPv4 address counts as its IPv6-mapped form.
    fn token(&self, addr: SocketAddr) -> [u8; Tokens::LEN] {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut half = [0; 19];
        half[..16].copy_from_slice(&ip.octets());
        half[16..18].copy_from_slice(&addr.port().to_be_bytes());
        let hasher = SipHasher24::new_with_key(&self.0);
        let mut token = [0; Tokens::LEN];
        for (bytes, number) in token.chunks_exact_mut(16).zip(0..) {
            half[18] = number;
            bytes.copy_from_slice(&hasher.hash(&half).as_bytes());
        }
        token
    }
}

/// A token in words, which are compared in constant time faster than bytes are.
fn words(token: &[u8; Tokens::LEN]) -> [u64; Tokens::LEN / 8] {
    let mut words = [0; Tokens::LEN / 8];
    for (word, bytes) in words.iter_mut().zip(token.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What write tokens are told at their start.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// Secrets change at a random moment of this span. Default 15 to 45 min; at least 60 s.
    pub rotation: (Duration, Duration),
}

impl Default for TokenConfig {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            rotation: (
                Duration::from_secs(15 * MINUTE),
                Duration::from_secs(45 * MINUTE),
            ),
        }
    }
}

impl TokenConfig {
    /// Returns one sentence for each setting that is out of its range.
    #[must_use]
    pub fn violations(&self) -> Vec<&'static str> {
        let (least, most) = self.rotation;
        if least >= Duration::from_secs(60) && least <= most {
            Vec::new()
        } else {
            vec!["tokens.rotation must be a span of at least 60 s"]
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Rng, Seed};

    fn tokens() -> (Tokens, Rng) {
        let mut rng = Seed::from_number(3).private();
        (
            Tokens::new(&TokenConfig::default(), Timestamp::ZERO, &mut rng),
            rng,
        )
    }

    proptest! {
        #[test]
        fn a_token_is_good_for_one_address_and_port(
            ip: IpAddr,
            port: u16,
            other_ip: IpAddr,
            other_port: u16,
        ) {
            let (tokens, _) = tokens();
            let token = tokens.token((ip, port).into());
            prop_assert!(tokens.verify((ip, port).into(), &token));
            let same = ip.to_canonical() == other_ip.to_canonical();
            prop_assert_eq!(tokens.verify((other_ip, port).into(), &token), same);
            prop_assert_eq!(tokens.verify((ip, other_port).into(), &token), port == other_port);
        }

        #[test]
        fn no_other_bytes_are_a_token(
            bytes: Vec<u8>,
            flipped in 0..8 * Tokens::LEN,
            length in 0..Tokens::LEN,
        ) {
            let (tokens, _) = tokens();
            let addr = ([192, 0, 2, 1], 4222).into();
            let mut token = tokens.token(addr);
            prop_assert!(!tokens.verify(addr, &bytes));
            prop_assert!(!tokens.verify(addr, &token[..length]));
            prop_assert!(!tokens.verify(addr, &[token.as_slice(), &[0]].concat()));
            token[flipped / 8] ^= 1 << (flipped % 8);
            prop_assert!(!tokens.verify(addr, &token));
        }
    }

    #[test]
    fn a_token_outlives_one_rotation_but_not_two() {
        let (mut tokens, mut rng) = tokens();
        let addr = ([192, 0, 2, 1], 4222).into();
        let token = tokens.token(addr);
        let mut now = Timestamp::ZERO;
        for outlives in [true, false] {
            let next = tokens.next_rotation();
            let minutes = next.since(now).as_secs() / 60;
            assert!((15..=45).contains(&minutes), "{minutes} min");
            now = next;
            tokens.rotate(now, &mut rng);
            assert_ne!(tokens.token(addr), token);
            assert_eq!(tokens.verify(addr, &token), outlives);
        }
    }

    #[test]
    fn a_secret_is_in_use_for_a_minute_at_least() {
        let violations = |least, most| {
            let rotation = (Duration::from_secs(least), Duration::from_secs(most));
            TokenConfig { rotation }.violations().len()
        };
        assert_eq!(violations(60, 60), 0);
        assert_eq!((violations(59, 60), violations(120, 119)), (1, 1));
    }

    #[test]
    fn secrets_are_not_printed() {
        let (tokens, _) = tokens();
        let text = format!("{tokens:?}");
        assert!(
            text.contains("current: Secret(..), previous: Secret(..)"),
            "{text}"
        );
    }
}
