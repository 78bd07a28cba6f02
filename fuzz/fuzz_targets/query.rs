//! Arbitrary bytes as the queries of two requests.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::query::check(bytes));
