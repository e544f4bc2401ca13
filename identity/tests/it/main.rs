//! What this crate promises, held against vectors made by OpenDHT, against OpenSSL, and against damage.

mod certificates;
mod curves;
mod envelopes;
mod identities;
mod issuing;
mod issuing_elsewhere;
mod keys;
mod oaep;
mod ocsp;
mod openssl;
mod pkcs12;
mod programs;
mod protection;
mod requests;
mod revocation_lists;
mod shared;
mod symmetric;
mod trust;
mod trust_list;
mod values;
mod vectors;
mod wycheproof;
