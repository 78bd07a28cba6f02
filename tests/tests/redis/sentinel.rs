//! A group that Sentinel watches, whose masters die, freeze and are demoted.

use std::time::{Duration, Instant};

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::store::{ReserveOutcome, State, StoreErrorKind};
use idempotent_servers::{Sentinel, Server, require};
use idempotent_tests::Attempt;

use crate::support::{PATIENCE, in_the_end, replicated};

async fn connect(group: &Sentinel) -> RedisStore {
    RedisStore::builder(RedisSource::sentinel(group.sentinel_urls(), group.master_name()))
        .response_timeout(Duration::from_secs(2))
        .connect()
        .await
        .unwrap()
}

async fn comes_back(store: &RedisStore) {
    in_the_end("a reserve", async || Attempt::new().reserve(store).await).await;
}

async fn replays(store: &RedisStore, attempt: &Attempt) {
    let answer = in_the_end("a replay", || attempt.reserve(store)).await;
    let ReserveOutcome::Taken(entry) = answer else {
        panic!("a completed record is gone");
    };
    assert_eq!(entry.state, State::Completed);
}

/// A completed record.
async fn completed(store: &RedisStore) -> Attempt {
    let attempt = Attempt::new();
    let reservation = attempt.win(store).await;
    attempt.record(store, &reservation, b"result").await;
    attempt
}

/// A completed record, once every replica has it.
async fn completed_everywhere(group: &Sentinel, store: &RedisStore) -> Attempt {
    let attempt = completed(store).await;
    replicated(&group.servers()[group.master().await]).await;
    attempt
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_replaced_and_its_records_replay() {
    require!(Server::Redis);
    let group = Sentinel::start(2, 3).await;
    let store = connect(&group).await;
    let done = completed_everywhere(&group, &store).await;
    let old = group.kill_master().await;
    comes_back(&store).await;
    assert_ne!(group.wait_for_failover(old).await, old);
    replays(&store, &done).await;
}

/// Its connection stays open, and nothing comes over it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_for_ever_is_replaced() {
    require!(Server::Redis);
    let group = Sentinel::start(2, 3).await;
    let store = connect(&group).await;
    let done = completed_everywhere(&group, &store).await;
    let old = group.master().await;
    group.servers()[old].stop_process();
    comes_back(&store).await;
    replays(&store, &done).await;
    group.servers()[old].resume();
}

/// The old master lives on, and takes writes until it is demoted: those are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_replaced_while_it_lives_is_left_at_once() {
    require!(Server::Redis);
    for _ in 0..5 {
        if is_left_at_once(&Sentinel::start(2, 3).await).await {
            return;
        }
    }
    panic!("the old master was demoted each time before the store had come back");
}

/// False when the sentinels have demoted the old master so soon, some seconds after they replaced it, that this shows nothing.
async fn is_left_at_once(group: &Sentinel) -> bool {
    let store = connect(group).await;
    let done = completed_everywhere(group, &store).await;
    let old = group.master().await;
    let begin = Instant::now();
    let failover = ["SENTINEL", "FAILOVER", group.master_name()];
    while group.sentinels()[2].cli(&failover).await.is_error() {
        assert!(begin.elapsed() < PATIENCE, "no failover begins");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    group.wait_for_failover(old).await;
    comes_back(&store).await;
    if !group.servers()[old].cli(&["ROLE"]).await.to_string().starts_with("master") {
        return false;
    }

    let request_of = completed(&store).await;
    replays(&store, &done).await;
    while !group.servers()[old].cli(&["ROLE"]).await.to_string().starts_with("slave") {
        assert!(begin.elapsed() < PATIENCE * 2, "the old master is never demoted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    replays(&store, &request_of).await;
    true
}

/// Waits until so many clients listen to a sentinel.
async fn until_listeners(group: &Sentinel, count: usize) {
    let begin = Instant::now();
    let listeners = async || {
        let clients = group.sentinels()[0].cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        clients.to_string().matches("sub=1").count()
    };
    while listeners().await != count {
        assert!(begin.elapsed() < PATIENCE, "{count} clients never listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Those that listened have ended with the runtime in which the store was connected.
#[test]
fn the_sentinels_are_listened_to_again_in_another_runtime() {
    require!(Server::Redis);
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let (watching, first, second) = (runtime(), runtime(), runtime());
    let group = watching.block_on(Sentinel::start(1, 1));
    let store = first.block_on(connect(&group));
    watching.block_on(until_listeners(&group, 1));
    drop(first);
    watching.block_on(until_listeners(&group, 0));
    second.block_on(comes_back(&store));
    watching.block_on(until_listeners(&group, 1));
}

#[tokio::test]
async fn a_group_is_found_when_only_its_last_sentinel_answers() {
    require!(Server::Redis);
    let group = Sentinel::start(1, 3).await;
    group.sentinels()[0].kill();
    group.sentinels()[1].kill();
    let store = connect(&group).await;
    completed(&store).await;
}

#[tokio::test]
async fn a_group_that_no_sentinel_knows_is_an_error() {
    require!(Server::Redis);
    let group = Sentinel::start(1, 1).await;
    let nobody =
        RedisStore::builder(RedisSource::sentinel(group.sentinel_urls(), "nobody")).connect().await;
    assert_eq!(nobody.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let none =
        RedisStore::builder(RedisSource::sentinel(Vec::<String>::new(), "nobody")).connect().await;
    assert_eq!(none.unwrap_err().kind(), StoreErrorKind::Unavailable);
}
