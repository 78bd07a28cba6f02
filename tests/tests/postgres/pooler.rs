//! Behind a pooler that lends a session for one transaction: nothing that the store does relies on the next
//! statement finding the session of the one before.
//!
//! `PGBOUNCER=/usr/sbin/pgbouncer cargo test -p idempotent-tests --all-features --test postgres pooler -- --ignored`
//! runs them, with a `PgBouncer` that is newer than Debian 12's.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::{PostgresStore, PostgresStoreBuilder};
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::{self, Case, Lapsed};
use idempotent_servers::{PgBouncer, Postgres};
use idempotent_tests::{TwoHandles, until};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use crate::groups::setup::{attempts, record_all, transactions, win_all};
use crate::setup::{migrated, records};

/// Fewer than the clients have, so that they do share.
const CONNECTIONS: usize = 3;

const AT_ONCE: usize = 8;

async fn builder(pooler: &PgBouncer) -> PostgresStoreBuilder {
    let pool = PgPoolOptions::new().max_connections(8).connect(&pooler.url()).await.unwrap();
    PostgresStore::builder(pool)
        .response_timeout(Duration::from_secs(10))
        .notify(false)
        .group_commits(true)
        .sweep_every(None)
}

async fn start() -> (Postgres, PgBouncer) {
    let postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres, CONNECTIONS).await;
    (postgres, pooler)
}

#[tokio::test]
#[ignore = "needs PgBouncer 1.21 or newer, by its path in PGBOUNCER"]
async fn the_contract_holds_behind_a_pooler() {
    static SERVERS: OnceCell<(Postgres, PgBouncer)> = OnceCell::const_new();
    let (server, pooler) = SERVERS.get_or_init(start).await;
    let garble = move |id: RecordId| async move {
        let id: String = id.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!("UPDATE idempotent.records SET record = '\\x00ff' WHERE id = '\\x{id}'");
        server.sql(&sql).await;
    };
    let open = async || migrated(builder(pooler).await.never_alone()).await;
    let run = async |case: &Case| {
        println!("{}", case.name());
        case.run(TwoHandles::open(Lapsed::Kept, open).await.garbled_by(garble)).await;
    };
    for cases in contract::cases().chunks(AT_ONCE) {
        join_all(cases.iter().map(run)).await;
    }
}

#[tokio::test]
#[ignore = "needs PgBouncer 1.21 or newer, by its path in PGBOUNCER"]
async fn groups_are_one_transaction_behind_a_pooler_too() {
    let (server, pooler) = start().await;
    let store = migrated(builder(&pooler).await.never_alone()).await;
    let attempts = attempts(50);
    let reservations = win_all(&store, &attempts).await;
    assert_eq!((records(&server).await, transactions(&server).await), (50, 1));
    record_all(&store, &attempts, &reservations, b"result").await;
    assert_eq!(transactions(&server).await, 1);
}

#[tokio::test]
#[ignore = "needs PgBouncer 1.21 or newer, by its path in PGBOUNCER"]
async fn a_pooler_that_restarted_is_used_again_at_once() {
    let (_server, pooler) = start().await;
    let store = migrated(builder(&pooler).await).await;
    let before = attempts(20);
    let reservations = win_all(&store, &before).await;
    pooler.kill();
    pooler.restart().await;
    let first = attempts(1);
    until(async || first[0].reserve(&store).await.is_ok()).await;
    record_all(&store, &before, &reservations, b"result").await;
    win_all(&store, &attempts(20)).await;
}
