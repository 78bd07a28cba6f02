//! Plans that were made while the tables were almost empty, and stay while they grow.

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{Replaces, WriteStepOutcome};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::until;

use super::setup::grouping;
use crate::run::{BEGUN, RECORDED, Run, begin_all, entry, write_all};
use crate::setup::{VERSIONS, migrated, number};

/// Rows of other calls, and of their steps.
const FILL: &str = "INSERT INTO idempotent.records
        (lapses_at, retention, guarantee, id, token, operation, record)
        SELECT now(), '1 day', 0, sha256(n::text::bytea), '', '', '' FROM generate_series(1, 5000) AS n;
    INSERT INTO idempotent.records_steps (journal, step, entry)
        SELECT substr(sha256(n::text::bytea), 1, 16), sha256(n::text::bytea), ''
        FROM generate_series(1, 5000) AS n";

/// Every change of a call with steps, of all calls at once.
async fn change(store: &PostgresStore, runs: &[Run]) {
    let (begun, recorded) = (entry(BEGUN, b""), entry(RECORDED, b"result"));
    for outcome in join_all(runs.iter().map(|run| run.start(store, "pay", &begun))).await {
        assert_eq!(outcome.unwrap(), WriteStepOutcome::Written);
    }
    let settled =
        runs.iter().map(|run| run.replace(store, "pay", Replaces::Entry(&begun), &recorded));
    for outcome in join_all(settled).await {
        assert_eq!(outcome.unwrap(), WriteStepOutcome::Written);
    }
    write_all(store, runs, "charge").await;
    join_all(runs.iter().map(|run| run.attempt.renew(store, &run.record))).await;
    join_all(runs.iter().map(|run| run.attempt.record(store, &run.record, b"result"))).await;
}

/// How many entries of indexes were read, once all connections have ended: then they have told.
async fn entries_read(server: &Postgres) -> usize {
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    until(|| async { number(server, others).await == 0 }).await;
    let read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes
        WHERE relname IN ('records', 'records_steps')";
    number(server, read).await
}

#[tokio::test]
async fn a_plan_made_on_empty_tables_reads_a_few_rows_a_member_once_they_have_grown() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let server = Postgres::builder().version(version).arg("autovacuum", "off").start().await;
        drop(migrated(grouping(&server)).await);
        server.sql("VACUUM ANALYZE idempotent.records, idempotent.records_steps").await;
        let store = grouping(&server).max_connections(1).connect().await.unwrap();
        change(&store, &begin_all(&store, 1).await).await;
        server.sql(FILL).await;
        change(&store, &begin_all(&store, 100).await).await;
        store.close().await;
        drop(store);
        let read = entries_read(&server).await;
        // One member alone would read more, if it read a whole index.
        assert!(read < 4_000, "{read} for 100 calls");
    }
}
