//! Steps in doubt on the stores that other processes share: found before anybody resumes their calls, settled by a
//! reconciler, and corrected.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::{DoubtfulStep, Finding, Inspection, Reconciler, Resolution};
use idempotent_core::store::{Scan, State, Store};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, step, testing};
use idempotent_servers::{Postgres, Redis, Server, require};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::patient;
use crate::shop::failure;

/// Of a process that dies.
const LEASE: Duration = Duration::from_secs(4);

/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(120);

/// A checkout of two steps, the second of which never ends if somebody is to be told that it has begun.
async fn checkout(
    engine: &Idempotency,
    key: &str,
    hangs: Option<Arc<Notify>>,
) -> Result<u32, Error> {
    let lease = if hangs.is_none() { LONG } else { LEASE };
    let call = Operation::new("checkout").lease(lease).key(key).engine(engine);
    let run = call.returning::<Result<u32, Error>>().run(|| async move {
        let held = step("hold", || async { Ok::<u32, Error>(1) }).await?;
        let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let charge = charge.returning::<Result<u32, Error>>();
        let paid = charge.run(|| async move {
            let Some(begun) = hangs else { return Ok(100) };
            begun.notify_one();
            std::future::pending().await
        });
        Ok(held + paid.await?)
    });
    run.await
}

async fn inspect(engine: &Idempotency, key: &str) -> Inspection {
    let id = engine.record_id("checkout", None, key).unwrap();
    engine.inspect(&id).await.unwrap().unwrap()
}

type Connect<S> = Box<dyn Fn() -> BoxFuture<'static, S>>;

/// A process that dies while it charges. Nobody resumes its call.
async fn die_in_the_charge<S: Store>(connect: &Connect<S>, engine: &Idempotency, key: &str) {
    // What dies takes its connections with it.
    let (own, order) = (connect(), key.to_owned());
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let process = async move { checkout(&Idempotency::new(own.await), &order, Some(told)).await };
    let died = testing::crash(process).when(async move { begun.notified().await });
    assert!(died.await.is_none());
    let lapses = async {
        while inspect(engine, key).await.state() == State::Reserved {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, lapses).await.unwrap();
}

async fn keys_in_doubt(engine: &Idempotency) -> Vec<String> {
    let mut keys = Vec::new();
    let mut scan = Scan::in_doubt().limit(1);
    loop {
        let page = engine.scan(&scan).await.unwrap();
        keys.extend(page.entries.iter().map(|seen| seen.key().unwrap().to_owned()));
        match page.next {
            Some(next) => scan = scan.after(next),
            None => break,
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn a_step_in_doubt_is_found_settled_and_corrected<S: Store>(connect: Connect<S>) {
    let engine = Idempotency::new(connect().await);
    let refused = Operation::new("checkout").lease(LONG).key("no doubt").engine(&engine);
    let refused = refused.returning::<Result<u32, Error>>().run(|| async {
        step("hold", || async { Ok::<u32, Error>(1) }).await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    let keys = ["charged", "corrected", "not charged"];
    tokio::join!(
        die_in_the_charge(&connect, &engine, keys[0]),
        die_in_the_charge(&connect, &engine, keys[1]),
        die_in_the_charge(&connect, &engine, keys[2]),
    );
    for key in keys {
        assert_eq!(inspect(&engine, key).await.state(), State::Suspended, "{key}");
    }
    assert_eq!(keys_in_doubt(&engine).await, keys);
    let counted = engine.count_indeterminate().await.unwrap();
    assert_eq!(counted.into_iter().collect::<Vec<_>>(), [("checkout".to_owned(), 3)]);

    // Corrected twice: from a wrong *never happened*, and from a value that no run can read.
    let seen = inspect(&engine, "corrected").await;
    let charge = seen.steps_in_doubt().next().unwrap().0;
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve_step(&seen, &charge, never).await.unwrap();
    let seen = inspect(&engine, "corrected").await;
    let unreadable = Resolution::completed("receipt 7").of_any_type();
    engine.correct_step(&seen, &charge, unreadable).await.unwrap();
    let seen = inspect(&engine, "corrected").await;
    engine.correct_step(&seen, &charge, Resolution::completed(41_u32)).await.unwrap();
    assert_eq!(checkout(&engine, "corrected", None).await.unwrap(), 42);

    let charged = inspect(&engine, "charged").await;
    let (charge, _) = charged.steps_in_doubt().next().unwrap();
    let key = charge.derive("stripe");
    let reconciler = Reconciler::new(&engine).settle(LEASE).step(
        "checkout",
        "charge",
        move |step: DoubtfulStep| {
            let is_known = step.derive("stripe") == key;
            async move { if is_known { Finding::happened(9_u32) } else { Finding::NeverHappened } }
        },
    );
    let settled = async {
        while !keys_in_doubt(&engine).await.is_empty() {
            reconciler.pass().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, settled).await.unwrap();
    assert_eq!(checkout(&engine, "charged", None).await.unwrap(), 10);
    assert_eq!(checkout(&engine, "not charged", None).await.unwrap(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_doubt_in_memory_is_found_settled_and_corrected() {
    let store = MemoryStore::new();
    let connect = Box::new(move || ready(store.clone()).boxed());
    a_step_in_doubt_is_found_settled_and_corrected(connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_doubt_on_sqlite_is_found_settled_and_corrected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.db");
    let connect = Box::new(move || {
        let path = path.clone();
        async move { patient::sqlite(path).await }.boxed()
    });
    a_step_in_doubt_is_found_settled_and_corrected(connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_doubt_on_postgres_is_found_settled_and_corrected() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let url = server.url();
    let connect = Box::new(move || {
        let url = url.clone();
        async move { patient::postgres(url).await }.boxed()
    });
    a_step_in_doubt_is_found_settled_and_corrected(connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_doubt_on_redis_is_found_settled_and_corrected() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let url = server.url();
    let connect = Box::new(move || {
        let url = url.clone();
        async move { patient::redis(url).await }.boxed()
    });
    a_step_in_doubt_is_found_settled_and_corrected(connect).await;
}

/// Somebody has deleted its rows.
#[tokio::test]
async fn a_call_whose_journal_is_lost_is_not_said_to_go_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.db");
    let engine = Idempotency::new(patient::sqlite(&path).await);
    let call = Operation::new("checkout").key("order 7").engine(&engine);
    let refused = call.returning::<Result<u32, Error>>().run(|| async {
        step("hold", || async { Ok::<u32, Error>(1) }).await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    let seen = inspect(&engine, "order 7").await;
    let mut file = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("DELETE FROM idempotent_records_steps").execute(&mut file).await.unwrap();
    assert_eq!(keys_in_doubt(&engine).await, ["order 7"]);
    let never = Resolution::never_happened_and_owner_is_dead();
    for refused in [engine.resolve(&seen, never).await, engine.resume(&seen).await] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Incompatible);
        assert!(refused.to_string().contains("its journal is lost"), "{refused}");
    }
    engine.resolve(&seen, Resolution::completed(3_u32)).await.unwrap();
    assert_eq!(checkout(&engine, "order 7", None).await.unwrap(), 3);
}
