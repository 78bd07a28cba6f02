//! Arbitrary bytes as the frames of a request and of its response.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| idempotent_fuzz::frames::check(bytes));
