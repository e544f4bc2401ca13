//! Randomness from the operating system. A failure is an error, never a panic.

use rand::SeedableRng;
use rand::TryRng;
use rand::rngs::{StdRng, SysRng};
use thiserror::Error;
use zeroize::Zeroizing;

/// The operating system gave no randomness: nothing secret can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// Returns `N` random bytes, fit to be a key.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng
        .try_fill_bytes(&mut *bytes)
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Returns a cryptographic generator with a fresh seed, for what needs a stream of randomness.
pub(crate) fn generator() -> Result<StdRng, NoRandomness> {
    StdRng::try_from_rng(&mut SysRng).map_err(|_| NoRandomness)
}
