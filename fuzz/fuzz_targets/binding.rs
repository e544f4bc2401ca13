//! What user types say of the place of a value.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::binding(bytes));
