//! Which secrets and which older records an engine accepts: switching MACs on and changing their
//! secret in a fleet that runs.

use std::time::SystemTime;

use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::store::Scan;
use idempotent_core::{ErrorKind, Idempotency, IdempotencyBuilder, Operation};
use idempotent_tests::{Runs, call, secs};

use crate::backend::{Backend, SECRET};

const CHARGE: Operation = Operation::new("charge");
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

/// Whether such an engine replays what is there; if not, that is refused, and nothing runs.
async fn replays(builder: IdempotencyBuilder) -> bool {
    let (engine, runs) = (builder.secret(SECRET).build(), Runs::new());
    let answer = call(&engine, CHARGE, "k", &runs).await;
    assert_eq!(runs.count(), 0, "{answer:?}");
    match answer {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotAuthentic, "{error:?}");
            false
        }
    }
}

async fn written_by(builder: IdempotencyBuilder) {
    let engine = builder.secret(SECRET).build();
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
}

#[tokio::test]
async fn a_fleet_switches_macs_on_in_two_steps() {
    let backend = Backend::sqlite().await;
    let before = backend.builder().unauthenticated_records();
    written_by(before.clone()).await;
    let moment = SystemTime::now() + secs(3600);
    assert!(!replays(backend.builder()).await, "refused by default");
    assert!(replays(before.clone()).await);
    assert!(replays(backend.builder().accept_unauthenticated_until(moment)).await);
    let over = SystemTime::now() - secs(1);
    assert!(!replays(backend.builder().accept_unauthenticated_until(over)).await);
    // Those of the second step write MACs, which those of the first read and check.
    let second = backend.builder().secret(SECRET).accept_unauthenticated_until(moment).build();
    second.purge(&second.record_id("charge", None, "k").unwrap()).await.unwrap();
    call(&second, CHARGE, "k", &Runs::new()).await.unwrap();
    assert!(replays(before.clone()).await);
    assert!(replays(backend.builder()).await);
    let mut changed = backend.bytes("k").await;
    *changed.last_mut().unwrap() ^= 1;
    backend.overwrite("k", &changed).await;
    assert!(!replays(before).await, "a MAC that is there is checked");
}

#[tokio::test]
async fn a_fleet_changes_the_secret_of_macs_and_keeps_its_records() {
    let backend = Backend::sqlite().await;
    let first = backend.builder().authentication_secret(OLD);
    written_by(first.clone()).await;
    let prepared = first.clone().previous_authentication_secret(NEW);
    let second = backend.builder().authentication_secret(NEW);
    let changed = second.clone().previous_authentication_secret(OLD);
    for (engine, expected) in
        [(first, true), (prepared.clone(), true), (changed.clone(), true), (second, false)]
    {
        assert_eq!(replays(engine).await, expected);
    }
    let engine = changed.secret(SECRET).build();
    engine.purge(&engine.record_id("charge", None, "k").unwrap()).await.unwrap();
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
    assert!(replays(prepared).await);
}

#[tokio::test]
async fn a_secret_of_its_own_follows_that_of_ids() {
    let backend = Backend::sqlite().await;
    written_by(backend.builder()).await;
    let own = backend.builder().authentication_secret(NEW);
    assert!(!replays(own.clone()).await);
    assert!(replays(own.previous_authentication_secret(SECRET)).await);
}

#[tokio::test]
async fn an_engine_without_a_secret_believes_no_record_that_has_a_mac() {
    let backend = Backend::sqlite().await;
    written_by(backend.builder()).await;
    let without = backend.builder().build();
    let page = without.scan(&Scan::all()).await.unwrap();
    assert_eq!((page.entries.len(), page.unreadable.len()), (0, 1));
    assert!(page.unreadable[0].reason.contains("no secret"), "{page:?}");
    let (signed, plain) = ([3; 32], backend.builder().authentication_secret([3; 32]).build());
    call(&plain, CHARGE, "unkeyed", &Runs::new()).await.unwrap();
    let error = call(&without, CHARGE, "unkeyed", &Runs::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAuthentic, "{error:?}");
    let again = backend.builder().authentication_secret(signed).build();
    assert_eq!(call(&again, CHARGE, "unkeyed", &Runs::new()).await.unwrap(), 1);
}

/// An engine without any secret believes only what has no MAC.
#[tokio::test]
async fn records_in_this_process_have_no_mac_and_need_none() {
    let (store, runs) = (MemoryStore::new(), Runs::new());
    let engine = Idempotency::builder(store.clone()).authentication_secret(OLD).build();
    let near = Idempotency::builder(NearCache::new(store.clone())).authentication_secret(NEW);
    for engine in [engine, near.build(), Idempotency::new(store)] {
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    }
}

#[test]
fn nothing_shows_a_secret() {
    let builder = Idempotency::builder(MemoryStore::new())
        .secret([201; 32])
        .authentication_secret([202; 32])
        .previous_authentication_secret([203; 32]);
    for shown in [format!("{builder:?}"), format!("{:?}", builder.build())] {
        assert!(!shown.contains("201, ") && !shown.contains("202, ") && !shown.contains("203, "));
    }
}
