//! The page *Testing* shows the file `payments.rs` as it is run here.

#[test]
fn the_page_on_testing_shows_the_tests_that_are_run() {
    let page = include_str!("../../../idempotent-core/src/guide/testing.md");
    let shown = page.split_once("```rust,ignore\n").expect("the page shows a file").1;
    let shown = shown.split_once("```\n").expect("it ends").0;
    assert!(shown == include_str!("payments.rs"), "copy payments.rs to the page");
}
