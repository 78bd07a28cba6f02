//! What looks like an import against the layers or a circle, and is none.

use crate::scene::{arrows, report};

#[test]
fn a_crate_without_faults_passes_in_one_line() {
    let report = report(
        "one_line",
        &[
            ("lib.rs", "mod error;\nmod model;"),
            ("model.rs", "pub struct A;"),
            ("error.rs", "use crate::model::A;"),
        ],
    );

    assert_eq!(
        report.verdict(),
        "idempotent-core: 3 files, 1 arrows, no circle, none against the layers \
         (skipped: 0 unresolved, 0 of other crates)\n"
    );
}

#[test]
fn a_face_is_in_no_circle_with_what_it_shows() {
    let arrows = arrows(
        "faces",
        &[
            ("lib.rs", "mod model;\npub use self::model::*;\npub use self::model::A;"),
            ("model/mod.rs", "mod a;\nmod b;\npub use self::a::A;\npub(crate) use self::b::*;"),
            ("model/a.rs", "use super::B;\npub struct A(B);"),
            ("model/b.rs", "pub struct B;"),
        ],
    );

    assert_eq!(arrows, "model/a.rs -> model/b.rs: B (line 1)\n");
}

#[test]
fn comments_strings_and_rustdocs_own_imports_are_not_read() {
    let arrows = arrows(
        "comments",
        &[
            ("lib.rs", "mod model;\nmod store;"),
            ("store/mod.rs", "pub struct Contract;"),
            (
                "model/mod.rs",
                "//! See [`Contract`](crate::store::Contract).\n\
                 #[cfg(doc)]\nuse crate::store::Contract;\n\
                 /// [`crate::store::Contract`]\n\
                 #[doc = \"crate::store::Contract\"]\n\
                 fn f() -> &'static str {\n    // crate::store::Contract\n    \"crate::store::Contract\"\n}",
            ),
        ],
    );

    assert_eq!(arrows, "");
}

#[test]
fn what_only_tests_compile_is_not_read() {
    let arrows = arrows(
        "tests",
        &[
            ("lib.rs", "mod model;\nmod store;"),
            ("store/mod.rs", "pub struct Contract;"),
            (
                "model/mod.rs",
                "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::store::Contract;\n}\n\
                 #[cfg(all(test, feature = \"x\"))]\nmod more;\n\
                 #[cfg(test)]\nuse crate::store::Contract;\n\
                 struct S;\nimpl S {\n    #[cfg(test)]\n    fn f(_: crate::store::Contract) {}\n}",
            ),
        ],
    );

    assert_eq!(arrows, "");
}

#[test]
fn another_crate_may_be_called_like_a_module() {
    let arrows = arrows(
        "other_crate",
        &[
            ("lib.rs", "mod backends;\npub mod http;\nmod model;"),
            ("http/mod.rs", "pub struct Request;"),
            ("model/mod.rs", "use ::http::Method;\nfn f(_: http::Request, _: ::http::Request) {}"),
            ("backends/mod.rs", "mod memory;\nmod redis;"),
            ("backends/memory/mod.rs", "type C = ::redis::Client;\nvec![::redis::Client::new()];"),
            ("backends/redis/mod.rs", "mod link;\nuse redis::Client;\npub struct Store(Client);"),
            (
                "backends/redis/link.rs",
                "use redis::{self, Client};\nfn f(_: redis::Cmd, _: Client) {}",
            ),
        ],
    );

    assert_eq!(arrows, "");
}

#[test]
fn a_variable_may_be_called_like_an_item() {
    let arrows = arrows(
        "variables",
        &[
            ("lib.rs", "mod model;"),
            (
                "model/mod.rs",
                "mod a;\npub use self::a::limit;\npub struct Parent;\n\
                 fn f(limit: u8) -> u8 {\n    println!(\"{}\", x.limit());\n    limit\n}",
            ),
            ("model/a.rs", "use super::Parent;\npub fn limit() -> Parent { Parent }"),
        ],
    );

    assert_eq!(arrows, "model/a.rs -> model/mod.rs: Parent (line 1)\n");
}

#[test]
fn visibility_is_no_import() {
    let arrows = arrows(
        "visibility",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod b;\npub(crate) use self::b::B;"),
            ("model/a.rs", "pub(in crate::model) struct A;\npub(super) fn f() {}"),
            ("model/b.rs", "use super::a::A;\npub(crate) struct B(A);"),
        ],
    );

    assert_eq!(arrows, "model/b.rs -> model/a.rs: A (line 1)\n");
}

#[test]
fn the_guide_is_not_checked() {
    let arrows = arrows(
        "guide",
        &[
            ("lib.rs", "mod guide;\nmod model;"),
            ("model/mod.rs", "pub struct A;"),
            ("guide/mod.rs", "use crate::model::A;"),
        ],
    );

    assert_eq!(arrows, "");
}

#[test]
fn a_name_of_a_module_and_a_function_is_what_the_code_takes_it_for() {
    let arrows = arrows(
        "two_namespaces",
        &[
            ("lib.rs", "mod model;"),
            ("model/mod.rs", "mod a;\nmod current;\nmod running;\npub use self::running::current;"),
            ("model/a.rs", "use super::current;\nfn f() { current::install() }"),
            ("model/current.rs", "pub fn install() {}"),
            ("model/running.rs", "pub fn current() {}"),
        ],
    );

    assert_eq!(arrows, "model/a.rs -> model/current.rs: install (line 2)\n");
}
