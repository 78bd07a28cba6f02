//! Arbitrary bytes as records, under a secret.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::record::check(bytes));
