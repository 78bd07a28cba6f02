//! How many statements a call costs, as the server counts them.

use idempotent_core::backends::PostgresStore;
use idempotent_core::engine::ScopeShare;
use idempotent_core::model::ScopeId;
use idempotent_core::store::{
    RenewOutcome, Replaces, ReserveOutcome, Scan, Store, WriteStepOutcome,
};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, Runs, SOON, Tenant, call, until};

use crate::run::{BEGUN, RECORDED, Run, entry};
use crate::setup::{VERSIONS, migrated, number, patient};

/// Every statement of the role that the store logs in as, whatever it is.
const COUNT: &str = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
    WHERE userid = 'shop'::regrole AND toplevel";

/// A store with one connection, and a server that counts its statements.
pub(crate) struct Counted {
    pub(crate) server: Postgres,
    pub(crate) store: PostgresStore,
}

impl Counted {
    pub(crate) async fn new(version: idempotent_servers::PostgresVersion) -> Self {
        let server = Postgres::builder()
            .version(version)
            .arg("shared_preload_libraries", "pg_stat_statements")
            .start()
            .await;
        server.sql("CREATE EXTENSION pg_stat_statements").await;
        migrated(patient(&server)).await;
        server
            .sql(
                "CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA idempotent TO shop;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idempotent TO shop",
            )
            .await;
        let url = server.url().replace("postgres@", "shop@");
        let store = PostgresStore::builder(url).max_connections(1).response_timeout(SOON);
        Self { store: store.connect().await.unwrap(), server }
    }

    /// How many statements a call costs.
    pub(crate) async fn of<T>(&self, call: impl Future<Output = T>) -> (usize, T) {
        let before = number(&self.server, COUNT).await;
        let answer = call.await;
        (number(&self.server, COUNT).await - before, answer)
    }
}

/// Counting what a tenant keeps costs no call anything, and nothing at all far from the share.
#[tokio::test]
async fn a_call_of_a_tenant_with_a_share_is_two_statements_too() {
    require!(Server::Postgres);
    let at = Counted::new(idempotent_servers::PostgresVersion::Distribution).await;
    let tenant = Tenant::new(at.store.clone(), ScopeShare::new(), "alice");
    let operation = Operation::new("shop::charge");
    tenant.call(operation, "0").await.unwrap();
    let (statements, ()) = at
        .of(async {
            for key in 1..=10 {
                tenant.call(operation, &key.to_string()).await.unwrap();
            }
        })
        .await;
    assert_eq!(statements, 20);
}

#[tokio::test]
async fn an_execution_is_two_statements_and_a_replay_is_one() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let at = Counted::new(version).await;
        let engine = Idempotency::new(at.store.clone());
        let operation = Operation::new("shop::charge");
        let runs = Runs::new();
        call(&engine, operation, "0", &runs).await.unwrap();
        let (statements, ()) = at
            .of(async {
                for key in 1..=10 {
                    call(&engine, operation, &key.to_string(), &runs).await.unwrap();
                }
            })
            .await;
        assert_eq!((statements, runs.count()), (20, 11), "ten executions");
        let (statements, ()) = at
            .of(async {
                for key in 1..=10 {
                    call(&engine, operation, &key.to_string(), &runs).await.unwrap();
                }
            })
            .await;
        assert_eq!((statements, runs.count()), (10, 11), "ten replays");
    }
}

#[tokio::test]
async fn every_other_step_is_one_statement() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let at = Counted::new(version).await;
        let attempt = Attempt::new();
        let reservation = attempt.win(&at.store).await;
        // The first renewal opens a connection for the others.
        attempt.renew(&at.store, &reservation).await.unwrap();
        let (statements, outcome) = at.of(attempt.reserve(&at.store)).await;
        assert!(matches!(outcome.unwrap(), ReserveOutcome::Taken(_)));
        assert_eq!(statements, 1, "a conflict");
        let (statements, outcome) = at.of(attempt.renew(&at.store, &reservation)).await;
        assert_eq!((statements, outcome.unwrap()), (1, RenewOutcome::Renewed));
        let (statements, _) = at.of(at.store.load(&attempt.id)).await;
        assert_eq!(statements, 1, "a look");
        let (statements, outcome) = at.of(attempt.release(&at.store, &reservation)).await;
        outcome.unwrap();
        assert_eq!(statements, 1, "a release");
        let (statements, outcome) = at.of(at.store.purge(&attempt.id)).await;
        assert_eq!((statements, outcome.unwrap()), (1, false), "a purge");
        let (statements, _) = at.of(attempt.win(&at.store)).await;
        assert_eq!(statements, 1, "a reserve");
        let run = Run::begin(&at.store, Attempt::new()).await;
        for (name, what) in [("hold", "a first step"), ("charge", "another one")] {
            let entry = entry(RECORDED, b"result");
            let (statements, outcome) = at.of(run.write(&at.store, name, &entry)).await;
            assert_eq!((statements, outcome.unwrap()), (1, WriteStepOutcome::Written), "{what}");
        }
    }
}

/// A trigger that runs before a change makes the server lock the row first, even where it then does nothing.
#[tokio::test]
async fn a_step_that_is_alone_writes_no_row_lock_to_the_log() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    server.sql("CREATE EXTENSION pg_walinspect").await;
    let begin = server.sql("SELECT pg_current_wal_insert_lsn()").await.remove(0).remove(0).unwrap();
    let (kept, released) = (Attempt::new(), Attempt::new());
    let reservation = kept.win(&store).await;
    kept.record(&store, &reservation, b"result").await;
    let reservation = released.win(&store).await;
    released.release(&store, &reservation).await.unwrap();
    let written = |kind: &str| {
        format!(
            "SELECT count(*) FROM pg_get_wal_records_info('{begin}', pg_current_wal_flush_lsn())
             WHERE resource_manager = 'Heap' AND record_type LIKE '{kind}%'
                 AND block_ref LIKE '%/' || pg_relation_filenode('idempotent.records') || ' %'"
        )
    };
    assert_eq!(number(&server, &written("DELETE")).await, 1);
    assert_eq!(number(&server, &written("LOCK")).await, 0);
}

/// A table that was swept and vacuumed is empty when the first calls are planned, and their plans stay.
#[tokio::test]
async fn no_step_reads_the_whole_table_however_small_it_was_at_first() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let server = Postgres::builder().version(version).arg("autovacuum", "off").start().await;
        drop(migrated(patient(&server)).await);
        server.sql("VACUUM ANALYZE idempotent.records, idempotent.records_steps").await;
        let before = scans(&server).await;
        let builder = patient(&server).max_connections(1).sweep_every(None);
        for builder in [builder.clone(), builder.never_alone()] {
            take_every_step(&builder.connect().await.unwrap()).await;
        }
        assert_eq!(scans(&server).await, before);
    }
}

async fn take_every_step(store: &PostgresStore) {
    let tenant = ScopeId::of("alice").unwrap();
    for _ in 0..10 {
        let (kept, released) = (Attempt::new(), Attempt::new());
        let reservation = kept.win(store).await;
        kept.renew(store, &reservation).await.unwrap();
        kept.record(store, &reservation, b"result").await;
        kept.record(store, &reservation, b"result").await;
        store.load(&kept.id).await.unwrap();
        let reservation = released.win(store).await;
        released.release(store, &reservation).await.unwrap();
        store.purge(&released.id).await.unwrap();
        store.scan(&Scan::all()).await.unwrap();
        store.scan(&Scan::unfinished()).await.unwrap();
        store.sweep().await.unwrap();
        store.scope_use(&tenant, 1000).await.unwrap();
        let run = Run::begin(store, Attempt::new()).await;
        let (begun, recorded) = (entry(BEGUN, b""), entry(RECORDED, b"result"));
        run.start(store, "pay", &begun).await.unwrap();
        run.replace(store, "pay", Replaces::Entry(&begun), &recorded).await.unwrap();
        run.write(store, "charge", &recorded).await.unwrap();
        run.steps(store).await;
        run.attempt.record(store, &run.record, b"result").await;
    }
}

/// How often a whole table was read, once all connections have ended: then they have told.
pub(crate) async fn scans(server: &Postgres) -> usize {
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    until(|| async { number(server, others).await == 0 }).await;
    let scans = "SELECT sum(seq_scan) FROM pg_stat_user_tables
        WHERE relname IN ('records', 'records_steps')";
    number(server, scans).await
}
