//! Imports against the layers that must be found, in whatever way they are written.

use std::fs;

use idempotent_layers::check;

use crate::scene::{failure, report, written};

const LIB: &str = "mod model;\nmod store;\npub use self::store::Contract;";
const STORE: &str = "mod contract;\npub use self::contract::{Contract, Trait, limit};";
const CONTRACT: &str = "pub struct Contract;\npub trait Trait {}\npub fn limit() -> u8 { 1 }";

/// The failure of a crate in which `model/word.rs` is this, though it must not import `store`.
fn failure_of(test: &str, word: &str) -> String {
    failure(
        test,
        &[
            ("lib.rs", LIB),
            ("store/mod.rs", STORE),
            ("store/contract.rs", CONTRACT),
            ("model/mod.rs", "mod word;"),
            ("model/word.rs", word),
        ],
    )
}

#[test]
fn an_import_against_the_layers_fails() {
    let failure = failure_of("import", "use crate::store::Contract;");

    assert!(failure.contains("against the layers: model must not import store\n"));
    assert!(failure.contains("  model/word.rs -> store/contract.rs: Contract (line 1)\n"));
}

#[test]
fn a_reexport_in_lib_hides_nothing() {
    let failure = failure_of("reexport_in_lib", "use crate::{self as root, Contract};");

    assert!(failure.contains("model/word.rs -> store/contract.rs: Contract (line 1)"));
}

#[test]
fn super_of_super_is_followed() {
    let failure = failure_of("super_of_super", "use super::super::store::contract::Contract;");

    assert!(failure.contains("model/word.rs -> store/contract.rs: Contract (line 1)"));
}

#[test]
fn an_expression_is_an_import() {
    let failure = failure_of("expression", "fn f() -> u8 {\n    crate::store::limit()\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 2)"));
}

#[test]
fn a_type_argument_and_a_pattern_are_imports() {
    let failure = failure_of(
        "type_and_pattern",
        "type T = Vec<crate::Contract>;\nfn f<U: crate::store::Trait>(crate::Contract: U) {}",
    );

    assert!(failure.contains("Contract (line 1); Trait (line 2)"));
}

#[test]
fn a_path_through_an_imported_module_is_an_import() {
    let failure = failure_of("module", "use crate::store;\nfn f() -> u8 {\n    store::limit()\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 3)"));
}

#[test]
fn an_import_in_a_function_is_an_import() {
    let failure = failure_of("in_function", "fn f() {\n    use crate::store::limit;\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 2)"));
}

#[test]
fn an_import_in_an_inline_module_is_one_of_its_file() {
    let failure =
        failure_of("inline", "mod inner {\n    use super::super::super::store::limit;\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 2)"));
}

#[test]
fn a_name_that_a_glob_brings_is_an_import() {
    let failure = failure_of("glob", "use crate::store::*;\nstruct S(Contract);");

    assert!(failure.contains("model/word.rs -> store/contract.rs: Contract (line 2)"));
}

#[test]
fn a_glob_of_which_no_name_is_used_is_an_import_too() {
    let failure = failure_of("unused_glob", "use crate::store::*;");

    assert!(failure.contains("model/word.rs -> store/mod.rs: crate::store::* (line 1)"));
}

#[test]
fn the_input_of_a_macro_is_scanned() {
    let failure =
        failure_of("in_macro", "fn f() {\n    let x = vec![(1, crate::store::limit())];\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 2)"));
}

#[test]
fn a_macro_that_is_defined_here_is_scanned() {
    let failure =
        failure_of("macro_rules", "macro_rules! m {\n    () => { $crate::store::limit() };\n}");

    assert!(failure.contains("model/word.rs -> store/contract.rs: limit (line 2)"));
}

#[test]
fn a_face_must_not_show_what_is_above_it() {
    let failure = failure(
        "face",
        &[
            ("lib.rs", LIB),
            ("store/mod.rs", STORE),
            ("store/contract.rs", CONTRACT),
            ("model/mod.rs", "pub use crate::store::Contract;"),
        ],
    );

    assert!(failure.contains("model/mod.rs -> store/contract.rs: Contract (line 1)"));
}

#[test]
fn a_backend_must_not_import_another() {
    let failure = failure(
        "backends",
        &[
            ("lib.rs", "mod backends;"),
            (
                "backends/mod.rs",
                "mod redis;\nmod memory;\nmod shared;\npub use self::memory::Memory;",
            ),
            ("backends/shared/mod.rs", "pub struct Shared;"),
            ("backends/memory/mod.rs", "use super::shared::Shared;\npub struct Memory(Shared);"),
            ("backends/redis/mod.rs", "use super::Memory;\npub struct Redis(Memory);"),
        ],
    );

    assert!(
        failure.contains("against the layers: backends/redis must not import backends/memory\n")
    );
    assert!(failure.contains(" 1 failure "));
}

#[test]
fn a_folder_without_a_layer_fails() {
    let failure = failure(
        "without_layer",
        &[
            ("lib.rs", "mod attic;\nmod backends;"),
            ("attic/mod.rs", "mod box_of_things;"),
            ("attic/box_of_things.rs", ""),
            ("backends/mod.rs", "mod tape;"),
            ("backends/tape/mod.rs", "mod reel;"),
            ("backends/tape/reel.rs", ""),
        ],
    );

    assert!(failure.contains("say which layer `src/attic/` is in"));
    assert!(failure.contains("say which layer `src/backends/tape/` is in"));
    assert!(failure.contains("2 failures"));
}

#[test]
fn a_path_that_leads_nowhere_is_counted_and_listed() {
    let report =
        report("nowhere", &[("lib.rs", "mod model;"), ("model/mod.rs", "use crate::lost::A;")]);

    assert!(report.verdict().contains("skipped: 1 unresolved"));
    assert!(report.skipped().contains("unresolved: model/mod.rs:1: crate::lost::A\n"));
}

#[test]
fn a_file_that_is_missing_is_an_error() {
    let folder = written("missing", "idempotent-core", &[("lib.rs", "mod model;")]);

    let error = check(&folder).unwrap_err();

    assert!(error.to_string().contains("mod.rs"));
    fs::remove_dir_all(folder).unwrap();
}
