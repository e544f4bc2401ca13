//! The seam between this crate and the library that does the RSA arithmetic.
//!
//! Two back-ends offer the same two types, [`RsaPublic`] and [`RsaPrivate`], with the same functions and the same answers; the
//! feature `aws-lc` chooses. Both are handed keys whose size and exponent have been checked, in canonical DER.
//!
//! `decrypt_block` rejects implicitly: a block with wrong padding does not fail, it yields a pseudo-random message that depends
//! on the key and the block alone. So no caller can tell a wrong padding from a right one, nor pass the difference on (the
//! attacks of Bleichenbacher and their successors live on that difference).

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc")))]
mod pure;

#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{RsaPrivate, RsaPublic};
#[cfg(not(feature = "aws-lc"))]
pub(crate) use pure::{RsaPrivate, RsaPublic};

/// The hash under an RSASSA-PKCS1-v1_5 signature. Values always use SHA-512; certificates say which they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What the padding of RSAES-PKCS1-v1_5 and RSASSA-PKCS1-v1_5 takes of a block (RFC 8017, section 7.2.1).
pub(crate) const PADDING: usize = 11;
