//! Arbitrary bytes as values of the header `Idempotency-Key`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::header::check(bytes));
