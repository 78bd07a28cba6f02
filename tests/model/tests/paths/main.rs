//! The paths by which real stores are driven: a plain store takes them all, and each flaw is noticed.

mod plain_store;

use std::sync::LazyLock;

use idempotent_model::paths::{StorePath, cover};
use idempotent_model::protocol::{Config, Protocol};
use idempotent_model::search::{Search, explore};

use self::plain_store::{Flaw, PlainStore};

/// Two runs with a body that fails and a doubled request, and three without.
static PATHS: LazyLock<Vec<StorePath>> = LazyLock::new(|| {
    let configs = [Config::new(2, 1).errors(1), Config::new(3, 0)];
    let paths = configs.map(|config| {
        let model = Protocol::new(config.without_input().clients_only());
        let Search::Held(graph) = explore(&model, 1_000_000) else { panic!("it breaks") };
        cover(&model, &graph)
    });
    paths.into_iter().flatten().collect()
});

/// Takes every path with a new store each, and returns where the first one went wrong.
fn drive(flaw: Option<Flaw>) -> Option<String> {
    PATHS.iter().find_map(|path| {
        let mut store = PlainStore::new(flaw);
        path.moves.iter().enumerate().find_map(|(at, expected)| {
            let seen = store.take(expected.operation);
            let wanted = (expected.answer, expected.record, expected.journal);
            let why = || format!("move {}: {seen:?} instead of {wanted:?}\n{path}", at + 1);
            (!store.is_as_expected(seen, expected)).then(why)
        })
    })
}

#[test]
fn a_few_thousand_paths_cover_what_a_store_can_meet() {
    let moves: usize = PATHS.iter().map(|path| path.moves.len()).sum();
    println!("{} paths, {moves} moves", PATHS.len());
    assert!((1_000..10_000).contains(&PATHS.len()));
}

#[test]
fn a_plain_store_takes_every_path() {
    assert_eq!(drive(None), None);
}

#[test]
fn every_flaw_of_a_store_is_noticed_on_some_path() {
    for flaw in Flaw::ALL {
        let noticed = drive(Some(flaw));
        println!("{flaw:?}: {}", noticed.as_deref().unwrap_or("not noticed"));
        assert!(noticed.is_some(), "{flaw:?}");
    }
}
