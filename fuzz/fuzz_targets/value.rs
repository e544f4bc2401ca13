//! Values, their payloads, and saved states.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulla::fuzzing::value(bytes));
