//! What stands in the index, and what becomes of entries that are outdated.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{
    Complete, CompleteOutcome, Due, DueCalls as _, Release, Renew, RenewOutcome, State, Store,
    StoreErrorKind,
};
use idempotent_servers::{Flavor, Redis, Server, require};

use super::call::{Call, LEASE, OPERATION, due, index, number};

async fn start(flavor: Flavor) -> (Redis, RedisStore) {
    let server = Redis::builder().flavor(flavor).start().await;
    let builder = RedisStore::builder(server.url()).response_timeout(Duration::from_secs(10));
    let store = builder.connect().await.unwrap();
    (server, store)
}

async fn complete(store: &RedisStore, call: &Call) {
    let record = call.record.completed(b"result");
    let request = Complete::new(&call.id, &call.record, &record, LEASE);
    let outcome = store.complete(&request).await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
}

#[tokio::test]
async fn whatever_ends_a_call_takes_it_out_of_the_index() {
    require!(Server::Redis, Server::Valkey81, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey81, Flavor::Valkey91] {
        let (server, store) = start(flavor).await;
        let (index, entries) = (index(), async || number(&server, &["ZCARD", &index()]).await);
        let call = Call::reserve(&store).await;
        let score = number(&server, &["ZSCORE", &index, &call.entry()]).await;
        let ends = number(&server, &["PEXPIRETIME", &call.key()]).await;
        let retention = i64::try_from(call.record.retention().as_millis()).unwrap();
        // Two readings of one clock.
        assert!((0..1000).contains(&(ends - retention - score).abs()), "due at the lease's end");
        complete(&store, &call).await;
        assert_eq!(entries().await, 0, "{flavor:?}: completed");
        assert_eq!(store.due_in(&call.id).await.unwrap(), None);

        let call = Call::reserve(&store).await;
        store.release(&Release::new(&call.id, &call.record)).await.unwrap();
        assert_eq!(entries().await, 0, "{flavor:?}: released");
        assert!(store.load(&call.id).await.unwrap().is_none());

        let call = Call::reserve(&store).await;
        assert!(store.purge(&call.id).await.unwrap());
        assert_eq!(entries().await, 0, "{flavor:?}: purged");

        let mut call = Call::reserve(&store).await;
        call.suspend(&store, Some(Duration::ZERO)).await.unwrap();
        call.resume(&store).await.unwrap();
        assert_eq!(entries().await, 1, "{flavor:?}: resumed");
        assert!(due(&store, 10).await.is_empty());
        call.suspend(&store, None).await.unwrap();
        assert_eq!(entries().await, 0, "{flavor:?}: waits for its next caller");
    }
}

#[tokio::test]
async fn calls_that_run_longer_than_their_lease_hide_no_others_and_come_later() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let mut running = Vec::new();
    for at in 0..5 {
        let call = Call::reserve(&store).await;
        let renew = Renew::new(&call.id, &call.record, LEASE);
        assert_eq!(store.renew(&renew).await.unwrap(), RenewOutcome::Renewed);
        // As if its first lease had been over for long.
        server.cli(&["ZADD", &index(), &at.to_string(), &call.entry()]).await;
        running.push(call);
    }
    let suspended = Call::suspended(&store, Duration::ZERO).await;
    assert_eq!(due(&store, 1).await, std::slice::from_ref(&suspended.id));
    let now = number(&server, &["EVAL", "return redis.call('TIME')[1] * 1000", "0"]).await;
    for call in &running {
        let score = number(&server, &["ZSCORE", &index(), &call.entry()]).await;
        assert!(score > now, "it is due when its lease is over, and no sooner");
    }
    assert_eq!(due(&store, 10).await, [suspended.id]);
}

#[tokio::test]
async fn an_entry_goes_once_its_record_is_gone_or_is_another_calls() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let (gone, completed) = (Call::reserve(&store).await, Call::reserve(&store).await);
    complete(&store, &completed).await;
    server.cli(&["DEL", &gone.key()]).await;
    for call in [&gone, &completed] {
        server.cli(&["ZADD", &index(), "1", &call.entry()]).await;
        assert_eq!(store.due_in(&call.id).await.unwrap(), None);
    }
    assert!(due(&store, 10).await.is_empty());
    assert_eq!(number(&server, &["EXISTS", &index()]).await, 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stays_in_the_index_and_hides_no_other() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    for at in 0..3 {
        let call = Call::reserve(&store).await;
        let reply = server.cli(&["SET", &call.key(), "of another version", "KEEPTTL"]).await;
        assert!(!reply.is_error());
        server.cli(&["ZADD", &index(), &at.to_string(), &call.entry()]).await;
    }
    let readable = Call::suspended(&store, Duration::ZERO).await;
    assert_eq!(due(&store, 1).await, [readable.id]);
    assert_eq!(number(&server, &["ZCARD", &index()]).await, 4);
}

/// More than one look returns, before it and at its very moment.
#[tokio::test]
async fn a_call_behind_thousands_of_entries_is_found() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let call = Call::suspended(&store, Duration::ZERO).await;
    let fill = "for at = 1, 2500 do redis.call('ZADD', KEYS[1], ARGV[1], 'a' .. at) end";
    server.cli(&["EVAL", fill, "1", &index(), "5"]).await;
    server.cli(&["ZADD", &index(), "5", &call.entry()]).await;
    assert_eq!(due(&store, 1).await, std::slice::from_ref(&call.id));
    server.cli(&["ZADD", &index(), "6", &call.entry()]).await;
    assert_eq!(due(&store, 1).await, [call.id]);
}

/// A call that was begun is worth more memory than a server wants to use; a new one is not.
#[tokio::test]
async fn a_full_server_begins_no_call_with_an_input_and_lets_recovery_go_on() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let mut call = Call::suspended(&store, Duration::ZERO).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = Call::try_reserve(&store).await.err().unwrap();
    assert_eq!(refused.kind(), StoreErrorKind::Full, "{refused}");
    assert_eq!(number(&server, &["ZCARD", &index()]).await, 1);
    assert_eq!(due(&store, 10).await, [call.id.clone()]);
    call.resume(&store).await.unwrap();
    call.suspend(&store, Some(Duration::ZERO)).await.unwrap();
    assert_eq!(due(&store, 10).await, [call.id.clone()]);
    call.resume(&store).await.unwrap();
    complete(&store, &call).await;
    assert_eq!(number(&server, &["EXISTS", &index()]).await, 0);
}

/// What a server does that evicts keys.
#[tokio::test]
async fn a_call_whose_index_was_evicted_is_left_to_its_caller() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let mut call = Call::suspended(&store, Duration::ZERO).await;
    server.cli(&["DEL", &index()]).await;
    assert!(due(&store, 10).await.is_empty());
    assert_eq!(store.load(&call.id).await.unwrap().unwrap().state, State::Suspended);
    // Whoever resumes it has it in the index again.
    call.resume(&store).await.unwrap();
    call.suspend(&store, Some(Duration::ZERO)).await.unwrap();
    assert_eq!(due(&store, 10).await, [call.id]);
}

#[tokio::test]
async fn a_key_that_is_no_index_is_an_error_and_reserves_nothing() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    server.cli(&["SET", &index(), "no index"]).await;
    let refused = Call::try_reserve(&store).await.err().unwrap();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed, "{refused}");
    assert_eq!(number(&server, &["DBSIZE"]).await, 1);
}

/// As of a slot that is being moved, or that the user may not read.
#[tokio::test]
async fn a_call_that_the_server_refuses_to_show_hides_no_other() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let hidden = Call::suspended(&store, Duration::ZERO).await;
    let mut shown = Call::suspended(&store, Duration::ZERO).await;
    for (score, call) in [("1", &hidden), ("2", &shown)] {
        server.cli(&["ZADD", &index(), score, &call.entry()]).await;
    }
    // Its record and its journal, whose key has that of the record in it.
    let keys = [format!("~{}", index()), format!("~*{}*", shown.key())];
    let grant = ["ACL", "SETUSER", "default", "resetkeys", &keys[0], &keys[1]];
    assert!(!server.cli(&grant).await.is_error());
    assert_eq!(due(&store, 10).await, [shown.id.clone()]);
    assert_eq!(due(&store, 1).await, [shown.id.clone()]);
    shown.resume(&store).await.unwrap();
    let request = Due::new(&[OPERATION], 10);
    let refused = store.due(&request).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused}");
}

#[tokio::test]
async fn the_first_call_of_many_operations_comes_first() {
    require!(Server::Redis);
    let (server, store) = start(Flavor::Redis).await;
    let call = Call::suspended(&store, Duration::ZERO).await;
    let operations = ["a", "b", "c", "d", "e", "f", "g", OPERATION];
    for (at, operation) in operations.iter().enumerate().take(7) {
        let index = format!("idem:due{{{operation}}}");
        server.cli(&["ZADD", &index, &(5 + at).to_string(), "no call"]).await;
    }
    for score in ["1", "8", "20"] {
        server.cli(&["ZADD", &index(), score, &call.entry()]).await;
        let found = store.due(&Due::new(&operations, 1)).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|call| call.id).collect();
        assert_eq!(found, std::slice::from_ref(&call.id));
    }
}
