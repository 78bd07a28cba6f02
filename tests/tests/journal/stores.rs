//! The same on the stores that other processes share.

use std::time::Duration;

use idempotent_core::backends::{NearCache, PostgresStore, RedisSource};
use idempotent_core::model::{Envelope, Record, RecordId, StepEntry, StepId, Token};
use idempotent_core::store::{
    Reserve, ReserveOutcome, Resume, ResumeOutcome, Scan, State, Store, WriteStep, WriteStepOutcome,
};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, step};
use idempotent_servers::{Cluster, Flavor, Postgres, Redis, Sentinel, Server, require};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::patient;
use crate::shop::{Ledger, failure};

async fn note(ledger: &Ledger, name: &'static str) -> Result<u32, Error> {
    step(name, || async {
        ledger.note(name);
        Ok(1)
    })
    .await
}

/// A call that is interrupted by an error, by a lapse, and in doubt, and goes on each time.
async fn a_call_goes_on_where_it_stopped(store: impl Store + Clone) {
    let engine = Idempotency::builder(store.clone()).build();
    let ledger = Ledger::default();
    let call = |lease: Duration| {
        let call = Operation::new("checkout").lease(lease).key("order 7").engine(&engine);
        call.returning::<Result<u32, Error>>()
    };
    let long = Duration::from_secs(30);
    let refused = call(long).run(|| async {
        note(&ledger, "hold").await?;
        Err(failure().await)
    });
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::MissingKey);
    let seen = engine.scan(&Scan::unfinished()).await.unwrap();
    assert_eq!(seen.entries[0].state(), State::Suspended);

    let dropped = call(Duration::from_secs(6)).run(|| async {
        note(&ledger, "hold").await?;
        note(&ledger, "charge").await?;
        std::future::pending().await
    });
    tokio::time::timeout(Duration::from_secs(7), dropped).await.unwrap_err();
    let body = || async {
        let held = note(&ledger, "hold").await?;
        Ok(held + note(&ledger, "charge").await? + note(&ledger, "ship").await?)
    };
    let total = loop {
        match call(long).run(body).await {
            Ok(total) => break total,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(total, 3);
    for effect in ["hold", "charge", "ship"] {
        assert_eq!(ledger.count(effect), 1, "{effect}");
    }
    assert_eq!(call(long).run(|| async { Ok(0) }).await.unwrap(), 3);

    // Under *at most once* the whole call waits once its owner is lost.
    let strict = || {
        let call = Operation::new("strict").guarantee(Guarantee::AtMostOnce).key("order 7");
        call.engine(&engine).returning::<Result<u32, Error>>()
    };
    let refused = strict().run(|| async {
        note(&ledger, "first").await?;
        Err(failure().await)
    });
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::MissingKey);
    assert_eq!(strict().run(|| note(&ledger, "first")).await.unwrap(), 1);
    assert_eq!(ledger.count("first"), 1);
}

#[tokio::test]
async fn a_call_on_sqlite_goes_on_where_it_stopped() {
    let folder = TempDir::new().unwrap();
    let store = patient::sqlite(folder.path().join("calls.db")).await;
    a_call_goes_on_where_it_stopped(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_postgres_goes_on_where_it_stopped() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = patient::postgres(server.url()).await;
    a_call_goes_on_where_it_stopped(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_redis_and_on_valkey_goes_on_where_it_stopped() {
    require!(Server::Redis, Server::Valkey81, Server::Valkey91);
    let on = async |flavor| {
        let server = Redis::builder().flavor(flavor).start().await;
        let store = patient::redis(server.url()).await;
        a_call_goes_on_where_it_stopped(store).await;
    };
    tokio::join!(on(Flavor::Redis), on(Flavor::Valkey81), on(Flavor::Valkey91));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_behind_a_near_cache_over_redis_goes_on_where_it_stopped() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = NearCache::new(patient::redis(server.url()).await);
    a_call_goes_on_where_it_stopped(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_a_cluster_and_in_a_sentinel_group_goes_on_where_it_stopped() {
    require!(Server::Redis);
    let cluster = async {
        let cluster = Cluster::start(3, 0).await;
        let source = RedisSource::cluster(cluster.urls());
        a_call_goes_on_where_it_stopped(patient::redis(source).await).await;
    };
    let sentinel = async {
        let group = Sentinel::start(2, 3).await;
        let source = RedisSource::sentinel(group.sentinel_urls(), group.master_name());
        a_call_goes_on_where_it_stopped(patient::redis(source).await).await;
    };
    tokio::join!(cluster, sentinel);
}

/// A late owner's write that is under way while its successor takes the call. Without a lock on the reservation the
/// successor loads the journal before that is committed, and runs the step again.
#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_owners_uncommitted_row_is_not_missed_by_its_successors_load() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    // One call waits for a lock for as long as this test takes.
    let store = PostgresStore::builder(server.url()).response_timeout(Duration::from_secs(30));
    let store = store.connect().await.unwrap();
    let journal = store.journal().unwrap();
    let id = RecordId::of("checkout", None, &7).unwrap();
    let lease = Duration::from_millis(200);
    let request = Reserve::new(&id, Envelope::new("checkout").lease(lease));
    assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
    let late = request.record().with_journal(request.token(), Duration::from_secs(3600));
    tokio::time::sleep(lease * 2).await;

    let step = StepId::of_call(&id).step("charge", None);
    // A begun step without a name, of the first layout.
    let entry = [&[1_u8][..], &[0; 68]].concat();
    let written = StepEntry::from_bytes(&entry).unwrap();
    let first = StepId::of_call(&id).step("hold", None);
    let first = WriteStep::new(&id, &late, &first, &written);
    assert_eq!(journal.write_step(&first).await.unwrap(), WriteStepOutcome::Written);
    let mut aside = PgConnection::connect(&server.url()).await.unwrap();
    let mut writing = aside.begin().await.unwrap();
    sqlx::query(
        "SELECT * FROM idempotent.records_write_step($1, $2, $3, 3::smallint, 3600000000, $4, $5, $6, 1::smallint, \
         NULL, false, '{}', '{}')",
    )
    .bind(&id.hash()[..])
    .bind(&request.token().as_bytes()[..])
    .bind(late.as_bytes())
    .bind(&request.token().as_bytes()[..])
    .bind(&step.as_bytes()[..])
    .bind(&entry)
    .execute(&mut *writing)
    .await
    .unwrap();

    let next = Record::reserved(&Envelope::new("checkout"), Token::random());
    let next = next.with_journal(request.token(), Duration::from_secs(3600));
    let (taking, seen) = (store.clone(), late.clone());
    let taken = tokio::spawn(async move {
        let journal = taking.journal().unwrap();
        // Until the late owner has committed, this is no journal to resume.
        loop {
            let resume = Resume::new(&id, &seen, &next, Duration::from_secs(60));
            if let ResumeOutcome::Won = journal.resume(&resume).await.unwrap() {
                return journal.load_steps(&id, seen.journal().unwrap()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!taken.is_finished(), "the late owner has not committed");
    writing.commit().await.unwrap();
    let steps = taken.await.unwrap();
    assert!(steps.iter().any(|(id, _)| *id == step), "{steps:?}");
    assert_eq!(steps.len(), 2);
}
