//! Mistakes and what the compiler says of each: one error for one fault, at the user's token.
//!
//! `TRYBUILD=overwrite cargo test -p idempotent-tests --test ui` writes the texts anew.

#[test]
fn every_mistake_is_taught() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
}
