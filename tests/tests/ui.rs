//! Common mistakes and the compiler's messages for them: one error for one mistake, at the user's token.
//!
//! `TRYBUILD=overwrite cargo test -p idempotent-tests --test ui` writes the expected messages again.

#[test]
fn every_mistake_is_taught() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}
