//! Certificates and keys of strangers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::certificate(bytes));
