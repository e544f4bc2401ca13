//! The crate's public interface, tested with vectors made by OpenDHT, with OpenSSL, and with
//! damage.

mod certificates;
mod crl;
mod curves;
mod encrypted_key;
mod envelopes;
mod identities;
mod issuing;
mod issuing_elsewhere;
mod keys;
mod multi_recipient;
mod oaep;
mod ocsp;
mod openssl;
mod pkcs12;
mod programs;
mod requests;
mod symmetric;
mod trust;
mod trust_list;
mod values;
mod vectors;
mod wycheproof;
