//! `outbox`: messages that were parked.

use idempotent_core::outbox::{Draft, MessageId, Outbox};
use idempotent_servers::{Server, require};
use serde_json::{Value, json};

use crate::run::{audit, json as documents, one, run};
use crate::stores::{TestServer, TestStore};

/// An outbox with two parked messages and a pending one.
async fn outbox(store: &TestStore) -> Vec<MessageId> {
    let TestServer::Postgres(server, postgres) = &store.server else { panic!("it has no outbox") };
    let outbox = Outbox::of(postgres);
    let pool = sqlx::PgPool::connect(&store.url).await.expect("it connects");
    let mut ids = Vec::new();
    for key in ["order-7", "order-8", "order-9"] {
        let mut tx = pool.begin().await.expect("a transaction");
        let payload = format!("paid {key}");
        let draft = Draft::new("orders.paid", key, &payload).header("trace", "1");
        ids.push(outbox.publish(&mut tx, draft).await.expect("it is published"));
        tx.commit().await.expect("it commits");
    }
    let park = "UPDATE idempotent.records_outbox SET parked_at = now(), attempts = 3, error = 'too large' \
         WHERE key <> 'order-9'";
    server.sql(park).await;
    pool.close().await;
    ids
}

#[tokio::test]
async fn parked_messages_are_listed_shown_retried_and_discarded() {
    require!(Server::Postgres);
    let store = TestStore::postgres().await;
    let ids: Vec<_> = outbox(&store).await.iter().map(ToString::to_string).collect();
    let (listed, code) = documents(&store.url, &["outbox", "list"]).await;
    assert_eq!((code, listed.len()), (0, 3));
    assert_eq!((&listed[0]["pending"], &listed[0]["parked"]), (&json!(1), &json!(2)));
    assert_eq!((&listed[1]["id"], &listed[1]["reason"]), (&json!(ids[0]), &json!("too large")));
    assert_eq!((&listed[1]["attempts"], &listed[1].get("content")), (&json!(3), &None::<&Value>));

    let (shown, _) = one(&store.url, &["outbox", "show", &ids[0]]).await;
    let content =
        json!({ "headers": [["trace", "1"]], "encoding": "utf-8", "payload": "paid order-7" });
    assert_eq!(shown["content"], content);

    let log = store.file("audit.jsonl");
    let yes = ["--yes", "--reason", "ticket 42", "--audit-log", log.to_str().expect("UTF-8")];
    let (retried, code) =
        one(&store.url, &[&["outbox", "retry", &ids[0]][..], &yes].concat()).await;
    assert_eq!((code, &retried["done"]), (0, &json!(true)));
    let (dry, code) = one(&store.url, &["outbox", "discard", &ids[1], "--dry-run"]).await;
    assert_eq!((code, &dry["done"]), (0, &json!(false)));
    let (gone, code) = one(&store.url, &[&["outbox", "discard", &ids[1]][..], &yes].concat()).await;
    assert_eq!((code, &gone["done"]), (0, &json!(true)));
    let (listed, _) = documents(&store.url, &["outbox", "list"]).await;
    assert_eq!((&listed[0]["pending"], &listed[0]["parked"]), (&json!(2), &json!(0)));
    let (missing, code) = one(&store.url, &["outbox", "show", &ids[1]]).await;
    assert_eq!((code, &missing["code"]), (3, &json!("not_found")));
    let lines = audit(&log);
    let commands: Vec<_> =
        lines.iter().map(|line| line["command"].as_str().expect("one")).collect();
    assert_eq!(commands, ["outbox retry", "outbox retry", "outbox discard", "outbox discard"]);
}

#[tokio::test]
async fn only_postgres_has_an_outbox() {
    let store = TestStore::sqlite().await;
    let ran = run(&store.url, &["outbox", "list"]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("only a store in PostgreSQL has an outbox"), "{}", ran.stderr);
}
