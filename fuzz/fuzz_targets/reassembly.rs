//! Values in parts, in any order.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::reassembly(bytes));
