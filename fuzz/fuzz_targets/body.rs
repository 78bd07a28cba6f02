//! Arbitrary bytes as bodies that say they are JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::body::check(bytes));
