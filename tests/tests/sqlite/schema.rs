//! The tables: who makes them, how often, and what newer ones mean.

use std::path::Path;

use idempotent_core::backends::SqliteStore;
use idempotent_core::model::{Envelope, Record, Token};
use idempotent_core::store::{Store as _, StoreErrorKind};
use idempotent_tests::Attempt;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use super::database::{Database, TIMEOUT};

#[tokio::test]
async fn many_that_open_a_new_file_at_once_make_its_tables_once() {
    let database = Database::new();
    let opening: Vec<_> = (0..12)
        .map(|_| {
            let builder = database.builder().response_timeout(std::time::Duration::from_secs(30));
            tokio::spawn(builder.connect())
        })
        .collect();
    for opened in opening {
        Attempt::new().win(&opened.await.unwrap().unwrap()).await;
    }
    let ran = "SELECT count(*) = max(version) FROM idempotent_records_migrations";
    assert_eq!((database.number(ran).await, database.rows().await), (1, 12));
}

#[tokio::test]
async fn the_migrations_files_can_be_run_by_other_tools() {
    let database = Database::new();
    database.pool(1, database.options().create_if_missing(true)).acquire().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../idempotent-core/migrations/sqlite");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in &files {
        database.run(&format!("BEGIN; {} COMMIT;", std::fs::read_to_string(file).unwrap())).await;
    }
    Attempt::new().win(&database.store().await).await;
    let ran = database.number("SELECT count(*) FROM idempotent_records_migrations").await;
    assert_eq!(ran, files.len() as i64);
}

#[tokio::test]
async fn tables_of_an_older_release_are_brought_up_with_what_is_in_them() {
    let database = Database::new();
    database.pool(1, database.options().create_if_missing(true)).acquire().await.unwrap();
    let first = include_str!("../../../idempotent-core/migrations/sqlite/0001_records.sql");
    database.run(&format!("BEGIN; {first} COMMIT;")).await;
    let (id, token) = (Attempt::new().id, Token::random());
    let record = Record::reserved(&Envelope::new(id.operation()), token).completed(b"receipt");
    let insert = "INSERT INTO idempotent_records VALUES (?1, ?2, 0, NULL, 0, ?3, ?4, ?5)";
    sqlx::query(insert)
        .bind(&id.hash()[..])
        .bind(&token.as_bytes()[..])
        .bind(i64::MAX)
        .bind(id.operation())
        .bind(record.as_bytes())
        .execute(&mut database.aside().await)
        .await
        .unwrap();
    let entry = database.store().await.load(&id).await.unwrap().unwrap();
    assert_eq!(entry.record, record);
}

#[tokio::test]
async fn tables_of_a_newer_release_are_refused_and_stay_as_they_are() {
    let database = Database::new();
    database.store().await.close().await;
    database.run("INSERT INTO idempotent_records_migrations (version) VALUES (1000)").await;
    let error = database.builder().connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("version 1000, made by a newer release"), "{error}");
}

#[tokio::test]
async fn a_file_of_the_stores_own_has_a_write_ahead_log_and_one_of_the_applications_what_it_chose()
{
    let database = Database::new();
    drop(database.store().await);
    assert_eq!(database.text("PRAGMA journal_mode").await, "wal");
    let other = Database::new();
    let options = other
        .options()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Truncate)
        .synchronous(SqliteSynchronous::Normal);
    SqliteStore::builder(other.pool(1, options)).connect().await.unwrap();
    assert_ne!(other.text("PRAGMA journal_mode").await, "wal");
}

#[tokio::test]
async fn tables_that_half_exist_are_refused_and_nothing_is_half_made() {
    let database = Database::new();
    database.pool(1, database.options().create_if_missing(true)).acquire().await.unwrap();
    database.run("CREATE TABLE idempotent_records_purges (somebody_elses TEXT)").await;
    let error = database.builder().response_timeout(TIMEOUT * 10).connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let made = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    assert_eq!(database.number(made).await, 1);
}

#[tokio::test]
async fn a_store_that_may_not_migrate_creates_nothing_and_uses_what_is_there() {
    let database = Database::new();
    let pool = database.pool(1, database.options().create_if_missing(true));
    pool.acquire().await.unwrap();
    for builder in [database.builder(), SqliteStore::builder(pool.clone())] {
        let error = builder.migrate(false).connect().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("migrations()"), "{error}");
    }
    assert_eq!(database.number("SELECT count(*) FROM sqlite_schema").await, 0);
    for (_, sql) in database.builder().migrations().unwrap() {
        database.run(&sql).await;
    }
    for builder in [database.builder(), SqliteStore::builder(pool)] {
        let store = builder.migrate(false).connect().await.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(store.sweep().await.unwrap(), 0);
    }
}
