//! Whatever comes in over the network.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::datagram(bytes));
