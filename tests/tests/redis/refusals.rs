//! Servers that answer, and refuse: full ones, lonely ones, demoted ones, and users without rights.

use std::error::Error as _;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{
    CompleteOutcome, RenewOutcome, ReserveOutcome, State, Store, StoreError, StoreErrorKind,
};
use idempotent_servers::{Flavor, Redis, Reply, Server, require};
use idempotent_tests::Attempt;

use crate::fake_server::FakeServer;

fn taken(outcome: Result<ReserveOutcome, StoreError>) -> State {
    match outcome.unwrap() {
        ReserveOutcome::Taken(entry) => entry.state,
        won => panic!("a taken id was won: {won:?}"),
    }
}

#[tokio::test]
async fn by_script_a_full_server_replays_records_and_takes_no_reservation() {
    require!(Server::Redis);
    fill_up(Flavor::Redis).await;
}

#[tokio::test]
async fn by_ifeq_a_full_server_replays_records_and_takes_no_reservation() {
    require!(Server::Valkey91);
    fill_up(Flavor::Valkey91).await;
}

async fn fill_up(flavor: Flavor) {
    let server = Redis::builder().flavor(flavor).arg("--maxmemory-policy", "noeviction");
    let server = server.start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let done = Attempt::new();
    let reservation = done.win(&store).await;
    done.record(&store, &reservation, b"done").await;
    let running = [Attempt::new(), Attempt::at_most_once()];
    let owners = [running[0].win(&store).await, running[1].win(&store).await];
    let leaving = [Attempt::new(), Attempt::at_most_once()];
    let leavers = [leaving[0].win(&store).await, leaving[1].win(&store).await];
    server.cli(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    server.cli(&["SET", "ballast", "x"]).await;

    let newcomer = Attempt::new();
    let error = newcomer.reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
    assert_eq!(taken(done.reserve(&store).await), State::Completed);
    for (attempt, owner) in running.iter().zip(&owners) {
        assert_eq!(taken(attempt.reserve(&store).await), State::Reserved);
        assert_eq!(attempt.renew(&store, owner).await.unwrap(), RenewOutcome::Renewed);
        attempt.record(&store, owner, &[7; 5000]).await;
        let entry = store.load(&attempt.id).await.unwrap().unwrap();
        assert_eq!(entry.record, owner.completed(&[7; 5000]));
        attempt.record(&store, owner, b"again").await;
    }
    for (attempt, owner) in leaving.iter().zip(&leavers) {
        attempt.release(&store, owner).await.unwrap();
        assert!(store.load(&attempt.id).await.unwrap().is_none());
    }
    assert!(store.purge(&done.id).await.unwrap());

    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    newcomer.win(&store).await;
}

#[tokio::test]
async fn a_server_without_its_replicas_replays_records_and_takes_no_writes() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (done, running) = (Attempt::new(), Attempt::new());
    let reservation = done.win(&store).await;
    done.record(&store, &reservation, b"done").await;
    let owner = running.win(&store).await;
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;

    assert_eq!(taken(done.reserve(&store).await), State::Completed);
    assert_eq!(taken(running.reserve(&store).await), State::Reserved);
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("replicas"), "{error}");
    let error = running.complete(&store, &owner, b"result").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");

    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    running.record(&store, &owner, b"result").await;
}

/// What a demoted server shows may be what its successor never had.
#[tokio::test]
async fn a_reservation_that_a_read_only_server_shows_is_not_won() {
    require!(Server::Redis);
    let (server, primary) = (Redis::start().await, Redis::start().await);
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (done, attempt) = (Attempt::new(), Attempt::new());
    let reservation = done.win(&store).await;
    done.record(&store, &reservation, b"done").await;
    let request = attempt.request();
    assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
    // It stays with its own data: its primary does not let it in.
    primary.cli(&["CONFIG", "SET", "requirepass", "secret"]).await;
    let (host, port) = ("127.0.0.1", primary.port().to_string());
    server.cli(&["REPLICAOF", host, &port]).await;

    let error = store.reserve(&request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert_eq!(taken(attempt.reserve(&store).await), State::Reserved);
    assert_eq!(taken(done.reserve(&store).await), State::Completed);

    server.cli(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
}

#[tokio::test]
async fn what_is_no_record_is_malformed_and_runs_nothing() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    for garbage in [&["LPUSH"][..], &["SET"], &["HSET", "field"]] {
        let attempt = Attempt::new();
        let owner = attempt.win(&store).await;
        let key = key_of(&server).await;
        server.cli(&["DEL", &key]).await;
        let mut command = vec![garbage[0], key.as_str()];
        command.extend_from_slice(&garbage[1..]);
        command.push("garbage");
        assert!(!server.cli(&command).await.is_error());

        let malformed = |error: StoreError| {
            assert_eq!(error.kind(), StoreErrorKind::Malformed, "{garbage:?}: {error:?}");
        };
        malformed(attempt.reserve(&store).await.unwrap_err());
        malformed(store.load(&attempt.id).await.unwrap_err());
        malformed(attempt.complete(&store, &owner, b"result").await.unwrap_err());
        let page = store.scan(&idempotent_core::store::Scan::all()).await.unwrap();
        assert_eq!(page.entries.len(), 0, "{garbage:?}");
        let unreadable = &page.unreadable[0];
        assert_eq!((unreadable.id.as_ref(), &unreadable.key), (Some(&attempt.id), &key));
        // Nothing touched it, and the operator can remove it.
        assert_eq!(server.cli(&["DBSIZE"]).await, Reply::Int(1));
        assert!(store.purge(&attempt.id).await.unwrap());
        attempt.win(&store).await;
        assert!(store.purge(&attempt.id).await.unwrap());
    }
}

/// The only key there is.
async fn key_of(server: &Redis) -> String {
    let Reply::Array(keys) = server.cli(&["KEYS", "*"]).await else { panic!("no keys") };
    assert_eq!(keys.len(), 1);
    keys[0].to_string()
}

#[tokio::test]
async fn a_user_without_a_right_is_told_so() {
    require!(Server::Redis);
    // Without scripts: it can reserve, and not complete.
    let rules = "on >secret ~idem:* &* +@all -@scripting";
    let server = Redis::builder().user("app", rules).start().await;
    let url = server.url().replace("redis://", "redis://app:secret@");
    let store = RedisStore::connect(url).await.unwrap();
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    let error = attempt.complete(&store, &owner, b"result").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("permission"), "{error}");
    let source = error.source().unwrap().to_string();
    assert!(source.contains("NOPERM") && source.contains("evalsha"), "{source}");
}

#[tokio::test]
async fn a_user_who_may_not_look_at_the_server_can_still_use_it() {
    require!(Server::Redis);
    let rules = "on >secret ~idem:* &* +@all -@admin -@dangerous -config -info";
    let server = Redis::builder().user("app", rules).start().await;
    let url = server.url().replace("redis://", "redis://app:secret@");
    let store = RedisStore::connect(&url).await.unwrap();
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    attempt.record(&store, &owner, b"result").await;
    let outcome = attempt.complete(&store, &owner, b"again").await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Recorded));
    let refused = RedisStore::builder(url).require_durable().connect().await.unwrap_err();
    assert!(refused.to_string().contains("does not let this be checked"), "{refused}");
}

/// Servers quote what they were sent, and that is keys and results.
#[tokio::test]
async fn an_error_does_not_carry_what_the_server_was_sent() {
    let server = FakeServer::start(|command| match command[0].as_str() {
        "INFO" => FakeServer::bulk("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n"),
        "SET" => "$-1\r\n".to_owned(),
        "EVALSHA" => {
            format!(
                "-ERR unknown command 'EVALSHA', with args beginning with: '{}'\r\n",
                command[5]
            )
        }
        _ => "+OK\r\n".to_owned(),
    })
    .await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    let error = attempt.complete(&store, &owner, b"top secret").await.unwrap_err();
    let shown = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(shown.contains("unknown command 'EVALSHA'"), "{shown}");
    assert!(!shown.contains("top secret") && !shown.contains("with args"), "{shown}");
}
