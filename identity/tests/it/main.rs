//! What this crate promises, held against vectors made by OpenDHT, against OpenSSL, and against damage.

mod certificates;
mod envelopes;
mod identities;
mod keys;
mod openssl;
mod shared;
mod symmetric;
mod trust;
mod values;
mod vectors;
