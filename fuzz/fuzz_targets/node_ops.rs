//! A node among peers and under an application that do as they like.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::node_ops(bytes));
