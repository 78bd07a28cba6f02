//! The schema: made once by any number of processes, under any names, by whoever may.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::{PostgresSource, PostgresStore};
use idempotent_core::model::Envelope;
use idempotent_core::model::RecordId;
use idempotent_core::store::{Reserve, ReserveOutcome, Scan, Store, StoreErrorKind};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::SOON;
use sqlx::PgPool;

use crate::setup::{connect, patient};

async fn wins(store: &PostgresStore) {
    let id = RecordId::of("shop::charge", None, &42).unwrap();
    let request = Reserve::new(&id, Envelope::new("shop::charge"));
    let outcome = store.reserve(&request).await.unwrap();
    assert!(matches!(outcome, ReserveOutcome::Won), "{outcome:?}");
}

async fn versions(server: &Postgres, table: &str) -> Vec<String> {
    let rows = server.sql(&format!("SELECT version FROM {table} ORDER BY version")).await;
    rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_migrate_at_once() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let stores = join_all((0..8).map(|_| async {
        let builder = PostgresStore::builder(server.url()).max_connections(1);
        builder.response_timeout(Duration::from_secs(10)).connect().await.unwrap()
    }));
    let stores = stores.await;
    for outcome in join_all(stores.iter().map(PostgresStore::migrate)).await {
        outcome.unwrap();
    }
    let applied = versions(&server, "idempotent.records_migrations").await;
    let known: Vec<String> =
        stores[0].migrations().map(|(version, _)| version.to_string()).collect();
    assert_eq!(applied, known, "each version ran once");
    wins(&stores[0]).await;
}

#[tokio::test]
async fn migrating_again_does_nothing_and_needs_no_rights() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = connect(server.url()).await.unwrap();
    store.migrate().await.unwrap();
    server
        .sql(
            "CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA idempotent TO shop;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idempotent TO shop",
        )
        .await;
    let url = server.url().replace("postgres@", "shop@");
    let store = connect(url).await.unwrap();
    store.migrate().await.unwrap();
    wins(&store).await;
    let fresh = PostgresStore::builder(server.url().replace("postgres@", "shop@"));
    let error = fresh.response_timeout(SOON).schema("fresh").connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("lacks a right"), "{error}");
}

#[tokio::test]
async fn a_store_that_may_not_migrate_creates_nothing_and_uses_what_is_there() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let refused = [
        patient(&server).migrate(false).connect().await,
        PostgresStore::builder(pool.clone()).response_timeout(SOON).migrate(false).connect().await,
    ];
    for outcome in refused {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("migrations()"), "{error}");
    }
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'idempotent'";
    assert_eq!(server.sql(schemas).await[0][0].as_deref(), Some("0"));
    for (_, sql) in PostgresStore::builder(server.url()).migrations().unwrap() {
        server.sql(&sql).await;
    }
    for source in [PostgresSource::from(server.url()), PostgresSource::from(pool)] {
        let builder = PostgresStore::builder(source).response_timeout(SOON);
        let store = builder.migrate(false).connect().await.unwrap();
        assert!(store.scan(&Scan::all()).await.unwrap().entries.is_empty());
    }
}

#[tokio::test]
async fn a_closed_store_refuses_and_leaves_an_applications_pool_open() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let own = connect(server.url()).await.unwrap();
    wins(&own).await;
    own.close().await;
    let error = own.scan(&Scan::all()).await.unwrap_err();
    assert!(error.to_string().contains("pool of connections is closed"), "{error}");
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let pooled = connect(pool.clone()).await.unwrap();
    pooled.close().await;
    pool.acquire().await.unwrap();
    assert_eq!(pooled.scan(&Scan::all()).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn stores_under_any_names_do_not_see_each_other() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let names = [
        ("idempotent", "records"),
        ("public", "records"),
        ("public", "Records"),
        ("records", "idempotent"),
        ("SELECT", "table"),
        ("mandant-1", "записи"),
        (
            "a23456789-123456789-123456789-123456789-123456789-123456789-123",
            "b23456789-123456789-123456789-123456789",
        ),
    ];
    for (schema, table) in names {
        let builder = patient(&server).schema(schema).table(table);
        let store = builder.connect().await.unwrap();
        store.migrate().await.unwrap();
        wins(&store).await;
        let page = store.scan(&Scan::all()).await.unwrap();
        assert_eq!(page.entries.len(), 1, "{schema}.{table}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_plain_word_is_refused() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    for name in
        ["", "records\"; DROP TABLE orders; --", "a.b", "it's", "$$", "a\0", &"x".repeat(64)]
    {
        for builder in [
            PostgresStore::builder(server.url()).schema(name),
            PostgresStore::builder(server.url()).table(name),
        ] {
            let error = builder.connect().await.unwrap_err();
            assert!(error.to_string().contains("must be letters"), "{name:?}: {error}");
        }
    }
}

#[tokio::test]
async fn the_files_are_plain_sql_for_tools_of_the_users_own() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../idempotent-core/migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    for file in &files {
        server.sql(&std::fs::read_to_string(file).unwrap()).await;
    }
    let builder = patient(&server).migrate(false);
    let store = builder.connect().await.unwrap();
    assert_eq!(store.migrations().count(), files.len());
    store.migrate().await.unwrap();
    wins(&store).await;
    let applied = versions(&server, "idempotent.records_migrations").await;
    assert_eq!(applied.len(), files.len(), "they were not run again");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    // A table of somebody else's is in the way.
    server.sql("CREATE SCHEMA idempotent; CREATE TABLE idempotent.records (id int)").await;
    connect(server.url()).await.unwrap_err();
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'idempotent'";
    assert_eq!(server.sql(tables).await[0][0].as_deref(), Some("1"));
    server.sql("DROP TABLE idempotent.records").await;
    let store = connect(server.url()).await.unwrap();
    wins(&store).await;
}
