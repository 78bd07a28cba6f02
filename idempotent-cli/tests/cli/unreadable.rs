//! Records that cannot be read: broken ones, and those of a newer version.

use idempotent_core::engine::Inspection;
use serde_json::json;

use crate::listing::redis_key;
use crate::run::{json as documents, one, run};
use crate::shop::{lost, seen};
use crate::stores::{TestServer, TestStore, on_every_store};
use crate::terminal::typed_after;

on_every_store!(
    a_record_that_cannot_be_read_hides_no_other,
    a_record_of_a_newer_version_is_said_to_be_one_and_stays,
);

async fn a_record_that_cannot_be_read_hides_no_other(store: TestStore) {
    lost(&store.engine, "7").await;
    let broken = lost(&store.engine, "8").await;
    write_layout(&store, &broken, b'c').await;
    let (listed, code) = documents(&store.url, &["list"]).await;
    assert_eq!(code, 0);
    let kinds: Vec<_> = listed.iter().map(|it| it["kind"].as_str().expect("a kind")).collect();
    assert!(kinds.contains(&"record") && kinds.contains(&"unreadable"), "{kinds:?}");

    let (found, _) = documents(&store.url, &["doctor"]).await;
    assert!(found.iter().any(|it| it["code"] == json!("unreadable-records")), "{found:#?}");

    let id = broken.id().to_string();
    let (shown, code) = documents(&store.url, &["show", &id]).await;
    assert_eq!((code, &shown[0]["kind"]), (7, &json!("unreadable")));
    assert_eq!(shown[0]["newer"], json!(false));
    let (stats, _) = one(&store.url, &["stats"]).await;
    assert_eq!((&stats["records"], &stats["unreadable"]), (&json!(1), &json!(1)));
    let purge = ["purge", &id, "--yes", "--reason", "broken"];
    let (done, code) = one(&store.url, &purge).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)));
    assert_eq!(documents(&store.url, &["show", &id]).await.1, 3);
}

#[tokio::test]
async fn a_record_that_took_the_place_of_one_that_cannot_be_read_stays() {
    let store = TestStore::sqlite().await;
    let broken = lost(&store.engine, "8").await;
    write_layout(&store, &broken, b'c').await;
    let another = async {
        assert!(store.engine.purge(broken.id()).await.expect("it answers"));
        lost(&store.engine, "8").await;
    };
    let purge = format!("purge {}", broken.id());
    let (code, shown) = typed_after((&store, &purge), "[y/N]", another, "y\nbroken\n").await;
    assert_eq!(code, Some(4), "{shown}");
    assert!(seen(&store.engine, "8").await.is_some());
}

async fn a_record_of_a_newer_version_is_said_to_be_one_and_stays(store: TestStore) {
    let newer = lost(&store.engine, "7").await;
    write_layout(&store, &newer, 3).await;
    let id = newer.id().to_string();
    for arguments in [&["list"][..], &["show", &id]] {
        let (found, _) = documents(&store.url, arguments).await;
        assert_eq!((&found[0]["kind"], &found[0]["newer"]), (&json!("unreadable"), &json!(true)));
        let reason = found[0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("a newer version wrote it"), "{reason}");
    }
    let purge = ["purge", &id, "--yes", "--reason", "it looks broken"];
    let ran = run(&store.url, &purge).await;
    assert!(ran.code == 4 && ran.stderr.contains("--unknown-layout"), "{}", ran.stderr);
    assert_eq!(documents(&store.url, &["list"]).await.0.len(), 1, "it stays");
    let (done, code) = one(&store.url, &[&purge[..], &["--unknown-layout"]].concat()).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)));
    assert!(documents(&store.url, &["list"]).await.0.is_empty());
}

/// Overwrites the first byte of a record, which is its layout.
async fn write_layout(store: &TestStore, seen: &Inspection, layout: u8) {
    let id = seen.id().to_string();
    let (_, hex) = id.rsplit_once(':').expect("a hash");
    match &store.server {
        TestServer::Redis(redis) => {
            let byte = std::str::from_utf8(std::slice::from_ref(&layout)).expect("ASCII");
            redis.cli(&["SETRANGE", &redis_key(seen), "0", byte]).await;
        }
        TestServer::Postgres(postgres, _) => {
            let sql = format!(
                "UPDATE idempotent.records SET record = set_byte(record, 0, {layout}) WHERE id = '\\x{hex}'"
            );
            postgres.sql(&sql).await;
        }
        TestServer::Sqlite => {
            let file = store.url.strip_prefix("sqlite:").expect("a path");
            let pool =
                sqlx::SqlitePool::connect(&format!("sqlite://{file}")).await.expect("it opens");
            let select = "SELECT record FROM idempotent_records WHERE id = ?1";
            let select = sqlx::query_scalar(select).bind(&seen.id().hash()[..]);
            let mut record: Vec<u8> = select.fetch_one(&pool).await.expect("it is there");
            record[0] = layout;
            let update = sqlx::query("UPDATE idempotent_records SET record = ?2 WHERE id = ?1");
            let update = update.bind(&seen.id().hash()[..]).bind(record);
            update.execute(&pool).await.expect("it is written");
            pool.close().await;
        }
    }
}
