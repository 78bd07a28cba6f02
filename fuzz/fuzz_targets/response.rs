//! Arbitrary bytes as stored responses.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::response::check(bytes));
