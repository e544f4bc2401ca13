//! What this crate promises, held against vectors made by OpenDHT, against OpenSSL, and against damage.

mod certificates;
mod curves;
mod envelopes;
mod identities;
mod keys;
mod oaep;
mod openssl;
mod protection;
mod symmetric;
mod trust;
mod values;
mod vectors;
mod wycheproof;
