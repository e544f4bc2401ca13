//! The search for the primes of a new RSA key, on all cores.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crypto_primes::hazmat::{SetBits, SmallFactorsSieveFactory};
use crypto_primes::{Flavor, is_prime, sieve_and_find};
use rand::rngs::StdRng;
use rsa::{BoxedUint, RsaPrivateKey};
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::random;

/// How often `on_progress` is called while no prime is found.
const REPORT_EVERY: Duration = Duration::from_millis(100);

const PUBLIC_EXPONENT: u64 = 65537;

/// The progress of the search for a new key. Its end cannot be foreseen: each candidate is as
/// likely as the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many numbers without small factors have been tried. For 2048 bits some 100 are needed,
    /// for 4096 some 200.
    pub candidates: u64,
    /// How many primes have been found. A key needs two.
    pub primes: usize,
}

/// Returns a new key of `bits`, an even number: two primes of half of that each.
pub(crate) fn rsa_key(
    bits: usize,
    mut on_progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<RsaPrivateKey, KeyError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let generators: Vec<StdRng> = (0..threads)
        .map(|_| random::generator())
        .collect::<Result<_, _>>()?;
    let search = PrimeSearch {
        prime_bits: (bits / 2) as u32,
        over: AtomicBool::new(false),
        candidates: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        let (found, primes) = mpsc::channel();
        for mut generator in generators {
            let (search, found) = (&search, found.clone());
            scope.spawn(move || {
                while let Some(prime) = search.find(&mut generator) {
                    if found.send(prime).is_err() {
                        return;
                    }
                }
            });
        }
        drop(found);
        let outcome = search.collect(&primes, &mut on_progress);
        search.over.store(true, Ordering::Relaxed);
        outcome
    })
}

/// What the threads of one search share.
struct PrimeSearch {
    prime_bits: u32,
    over: AtomicBool,
    candidates: AtomicU64,
}

impl PrimeSearch {
    /// Returns a random prime with the two highest bits set, so that the product of two has the
    /// full length; `None` when the search is over.
    fn find(&self, generator: &mut StdRng) -> Option<Zeroizing<BoxedUint>> {
        let sieve =
            SmallFactorsSieveFactory::new(Flavor::Any, self.prime_bits, SetBits::TwoMsb).ok()?;
        let found = sieve_and_find(generator, sieve, |_, candidate: &BoxedUint| {
            self.candidates.fetch_add(1, Ordering::Relaxed);
            self.is_over() || is_prime(Flavor::Any, candidate)
        });
        let prime = Zeroizing::new(found.ok()??);
        (!self.is_over()).then_some(prime)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits for two primes that make a key.
    fn collect(
        &self,
        found: &Receiver<Zeroizing<BoxedUint>>,
        on_progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<RsaPrivateKey, KeyError> {
        let mut first: Option<Zeroizing<BoxedUint>> = None;
        loop {
            match found.recv_timeout(REPORT_EVERY) {
                Ok(second) => {
                    if let Some(key) = first.as_ref().and_then(|first| key_of(first, &second)) {
                        return Ok(key);
                    }
                    first = Some(second);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(KeyError::Malformed),
            }
            let progress = Progress {
                candidates: self.candidates.load(Ordering::Relaxed),
                primes: usize::from(first.is_some()),
            };
            if on_progress(progress).is_break() {
                return Err(KeyError::Cancelled);
            }
        }
    }
}

/// Puts two primes together. They are too close with a probability of 2^-98 (FIPS 186-5, appendix
/// A.1.3, forbids it), and one less than a prime is a multiple of the exponent with one of 2^-16:
/// then another prime is needed.
fn key_of(first: &BoxedUint, second: &BoxedUint) -> Option<RsaPrivateKey> {
    let (larger, smaller) = if first > second {
        (first, second)
    } else {
        (second, first)
    };
    let difference = Zeroizing::new(larger.wrapping_sub(smaller));
    if difference.bits() + 100 <= first.bits() {
        return None;
    }
    RsaPrivateKey::from_p_q(larger.clone(), smaller.clone(), PUBLIC_EXPONENT.into()).ok()
}

#[cfg(test)]
mod tests {
    use rsa::traits::PrivateKeyParts;

    use super::*;

    #[test]
    fn a_new_key_has_the_size_asked_for_and_two_primes_of_half_of_it() {
        let key = rsa_key(2048, |_| ControlFlow::Continue(())).expect("a key");
        assert_eq!(key.primes().len(), 2);
        assert!(key.primes().iter().all(|prime| prime.bits() == 1024));
        assert!(key.validate().is_ok());
    }

    #[test]
    fn a_search_ends_when_its_caller_cancels_it() {
        let mut last = None;
        let broken_off = rsa_key(8192, |progress| {
            last = Some(progress);
            ControlFlow::Break(())
        });
        assert_eq!(broken_off.err(), Some(KeyError::Cancelled));
        assert!(last.is_some_and(|progress| progress.candidates > 0 && progress.primes < 2));
    }

    #[test]
    fn primes_that_are_close_or_equal_make_no_key() {
        let key = rsa_key(2048, |_| ControlFlow::Continue(())).expect("a key");
        let prime = &key.primes()[0];
        assert!(key_of(prime, prime).is_none());
        assert!(key_of(prime, &prime.wrapping_sub(BoxedUint::from(2u8))).is_none());
        assert!(key_of(prime, &key.primes()[1]).is_some());
    }
}
