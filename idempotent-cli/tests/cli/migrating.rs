//! `migrate`: creating and migrating tables.

use idempotent_servers::{Postgres, Server, require};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{audit, one, run};

async fn tables_are_created_once(url: &str, server: &str) {
    let (error, code) = one(url, &["list"]).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")));

    let (dry, code) = one(url, &["migrate", "--dry-run"]).await;
    let missing = dry["missing"].as_array().expect("versions").clone();
    assert!(code == 0 && missing.len() > 3 && missing[0] == json!(1), "{dry}");
    assert_eq!(dry["ran"], json!([]));
    let sql = run(url, &["migrate", "--dry-run"]).await.stdout;
    assert!(sql.starts_with("-- version 1\n") && sql.contains("CREATE TABLE"), "{sql}");

    let (declined, code) = one(url, &["migrate"]).await;
    assert_eq!((code, &declined["code"]), (6, &json!("declined")), "nobody can be asked");
    let log = tempfile::NamedTempFile::new().expect("a file");
    let path = log.path().to_str().expect("UTF-8");
    let migrate = ["migrate", "--yes", "--reason", "ticket 42", "--audit-log", path];
    let (ran, code) = one(url, &migrate).await;
    let lines = audit(log.path());
    assert_eq!((lines.len(), &lines[0]["command"]), (2, &json!("migrate")));
    assert_eq!((&lines[0]["reason"], &lines[1]["outcome"]), (&json!("ticket 42"), &json!("done")));
    assert_eq!((code, &ran["ran"]), (0, &Value::Array(missing)));
    let place = lines[0]["store"].as_str().expect("a text");
    assert!(place.starts_with(server), "{place}");
    let (again, code) = one(url, &["migrate"]).await;
    assert_eq!((code, &again["ran"]), (0, &json!([])));
    assert_eq!(run(url, &["migrate"]).await.stdout, "the tables are up to date\n");
    assert_eq!(run(url, &["list"]).await.code, 0);

    let typo = run(url, &["--table", "foo", "list"]).await;
    assert_eq!(typo.code, 5, "{}", typo.stderr);
    assert!(typo.stderr.contains("there is no such store, though"), "{}", typo.stderr);
    assert!(
        typo.stderr.contains("records?") && !typo.stderr.contains("migrate"),
        "{}",
        typo.stderr
    );
}

#[tokio::test]
async fn tables_of_postgres_are_created_once() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    tables_are_created_once(&postgres.url(), "postgres at ").await;
}

#[tokio::test]
async fn tables_of_sqlite_are_created_once() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("calls.db");
    tables_are_created_once(&format!("sqlite:{}", file.display()), "sqlite file ").await;
    assert!(file.exists());
}

#[tokio::test]
async fn redis_has_no_tables() {
    let (error, code) = one("redis://127.0.0.1:1", &["migrate"]).await;
    assert_eq!((code, &error["code"]), (2, &json!("usage")));
}
