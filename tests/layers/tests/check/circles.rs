//! Circles that must be found.

use crate::scene::failure;

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let failure = failure(
        "two_files",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod b;"),
            ("model/a.rs", "use super::b::B;\npub struct A(B);\npub struct Other;"),
            ("model/b.rs", "\nuse crate::model::a::{A, Other};\npub struct B(Box<A>, Other);"),
        ],
    );

    assert!(failure.contains("circle of 2 files: model/a.rs -> model/b.rs -> model/a.rs\n"));
    assert!(failure.contains("  model/a.rs -> model/b.rs: B (line 1)\n"));
    assert!(failure.contains("  model/b.rs -> model/a.rs: A, Other (line 2)\n"));
}

#[test]
fn a_circle_of_three_is_found_through_reexports() {
    let failure = failure(
        "three_files",
        &[
            ("lib.rs", "mod model;\npub use self::model::A;"),
            (
                "model/mod.rs",
                "mod a;\nmod b;\nmod c;\npub use self::a::A;\npub(crate) use self::c::C;",
            ),
            ("model/a.rs", "use super::b::B as Renamed;\npub struct A(Renamed);"),
            ("model/b.rs", "pub struct B(super::C);"),
            ("model/c.rs", "use crate::A;\npub struct C(A);"),
        ],
    );

    assert!(
        failure
            .contains("circle of 3 files: model/a.rs -> model/b.rs -> model/c.rs -> model/a.rs\n")
    );
}

#[test]
fn a_private_import_of_the_parent_leads_on_to_the_definition() {
    let failure = failure(
        "private_import",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod b;\nuse self::a::A;\nfn f(_: A) {}"),
            ("model/a.rs", "use super::b::B;\npub struct A(B);"),
            ("model/b.rs", "use super::A;\npub struct B(Box<A>);"),
        ],
    );

    assert!(failure.contains("circle of 2 files: model/a.rs -> model/b.rs -> model/a.rs\n"));
}

#[test]
fn a_parent_that_defines_something_can_be_in_a_circle_with_its_child() {
    let failure = failure(
        "parent_and_child",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod child;\nuse self::child::Child;\npub struct Parent(Box<Child>);"),
            ("model/child.rs", "use super::Parent;\npub struct Child(Parent);"),
        ],
    );

    assert!(
        failure.contains("circle of 2 files: model/mod.rs -> model/child.rs -> model/mod.rs\n")
    );
}

#[test]
fn a_parent_that_uses_what_it_reexports_can_be_in_a_circle_with_its_child() {
    let failure = failure(
        "parent_uses_reexport",
        &[
            ("lib.rs", "mod model;"),
            (
                "model/mod.rs",
                "mod builder;\npub use self::builder::Builder;\npub struct Thing;\n\
                 impl Thing { pub fn builder() -> Builder { Builder } }",
            ),
            (
                "model/builder.rs",
                "use super::Thing;\npub struct Builder;\nfn build() -> Thing { Thing }",
            ),
        ],
    );

    assert!(failure.contains("model/mod.rs -> model/builder.rs: Builder (line 4)\n"));
}

#[test]
fn items_that_a_macro_defines_are_found() {
    let failure = failure(
        "items_of_macros",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod b;"),
            ("model/a.rs", "pin_project! {\n    pub struct A<T> { inner: T, b: super::b::B }\n}"),
            ("model/b.rs", "pub struct B(Box<super::a::A<u8>>);"),
        ],
    );

    assert!(failure.contains("circle of 2 files: model/a.rs -> model/b.rs -> model/a.rs\n"));
}

#[test]
fn the_last_line_says_what_to_do() {
    let failure = failure(
        "last_line",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod b;"),
            ("model/a.rs", "pub struct A(super::b::B);"),
            ("model/b.rs", "pub struct B(Box<super::a::A>);"),
        ],
    );

    assert!(failure.lines().last().unwrap().starts_with("Move what both files need"));
}
