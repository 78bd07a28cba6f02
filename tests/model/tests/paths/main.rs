//! The paths by which real stores are driven: a plain store takes them all, and each flaw is noticed.

mod plain_store;

use std::sync::LazyLock;

use idempotent_model::paths::{StorePath, paths_of};
use idempotent_model::protocol::Config;

use self::plain_store::{Flaw, PlainStore};

/// Two runs with a body that fails and a doubled request, and three without; each finished by retries alone, and by recovery,
/// too. With each path, whether its call has an input.
static PATHS: LazyLock<Vec<(bool, StorePath)>> = LazyLock::new(|| {
    let configs = [Config::new(2, 1).errors(1), Config::new(3, 0)];
    let plain = configs.into_iter().flat_map(|config| paths_of(config.without_input()));
    let recovered = paths_of(configs[0]);
    let plain = plain.map(|path| (false, path));
    plain.chain(recovered.into_iter().map(|path| (true, path))).collect()
});

/// Takes every path with a new store each, and returns where the first one went wrong.
fn drive(flaw: Option<Flaw>) -> Option<String> {
    PATHS.iter().find_map(|(input, path)| {
        let mut store = PlainStore::new(flaw, *input);
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
    let moves: usize = PATHS.iter().map(|(_, path)| path.moves.len()).sum();
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
