//! `list`, `show` and `stats`: finding records by whatever somebody has of them.

use std::time::Duration;

use idempotent_core::{Operation, Store as _};
use idempotent_servers::{Cluster, Sentinel, Server, require};
use serde_json::{Value, json};

use crate::run::{command, json as documents, one, run};
use crate::shop::{begin, charge, fill, lost, quote, receipt, seen};
use crate::stores::{TestServer, TestStore, on_every_store};

on_every_store!(
    records_are_listed_by_state_operation_scope_and_key,
    an_empty_store_has_no_records,
    a_record_is_shown_by_any_form_of_its_id,
    a_record_is_found_by_what_the_application_calls_it,
    a_result_is_shown_as_json,
    records_are_counted_by_operation,
);

fn keys(listed: &[Value]) -> Vec<&str> {
    let mut keys: Vec<_> = listed.iter().filter_map(|record| record["key"].as_str()).collect();
    keys.sort_unstable();
    keys
}

async fn records_are_listed_by_state_operation_scope_and_key(store: TestStore) {
    let _running = fill(&store.engine).await;
    let list = async |arguments: &[&str]| {
        let (listed, code) = documents(&store.url, &[&["list"], arguments].concat()).await;
        assert_eq!(code, 0);
        listed
    };
    assert_eq!(keys(&list(&[]).await), ["basket 9", "order:10", "order:7", "order:8"]);
    assert_eq!(keys(&list(&["--fast"]).await).len(), 4);
    assert_eq!(keys(&list(&["--state", "indeterminate"]).await), ["order:7"]);
    let unfinished = list(&["--state", "running,indeterminate"]).await;
    assert_eq!(keys(&unfinished), ["order:10", "order:7"]);
    assert_eq!(keys(&list(&["--operation", "shop.quote"]).await), ["basket 9"]);
    assert_eq!(keys(&list(&["--scope", "acme"]).await), ["order:10", "order:7", "order:8"]);
    assert_eq!(keys(&list(&["--matching", "basket"]).await), ["basket 9"]);
    assert_eq!(keys(&list(&["--older-than", "1h"]).await), [""; 0]);
    assert_eq!(keys(&list(&["--newer-than", "1h"]).await).len(), 4);
    assert_eq!(list(&["--limit", "2"]).await.len(), 2);
}

async fn an_empty_store_has_no_records(store: TestStore) {
    let ran = run(&store.url, &["list"]).await;
    let place = match &store.server {
        TestServer::Redis(redis) => {
            format!("redis at 127.0.0.1:{}, database 0, prefix idem:", redis.port())
        }
        TestServer::Postgres(_, postgres) => {
            let server = postgres.server().expect("it has a name");
            format!("{server}, schema idempotent, table records")
        }
        TestServer::Sqlite => {
            let file = store.url.strip_prefix("sqlite:").expect("a path");
            format!("sqlite file {file}, table idempotent_records")
        }
    };
    let says = format!("no such records in {place}\n");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr), (0, "", says));
    let (listed, code) = documents(&store.url, &["list"]).await;
    assert_eq!((listed.len(), code), (0, 0));
    let (stats, _) = one(&store.url, &["stats"]).await;
    assert_eq!((&stats["records"], &stats["operations"]), (&json!(0), &json!([])));
}

async fn a_record_is_shown_by_any_form_of_its_id(store: TestStore) {
    let lost = lost(&store.engine, "7").await;
    charge(&store.engine, "8", "receipt 8").await.expect("it completes");
    let id = lost.id().to_string();
    let (_, hex) = id.rsplit_once(':').expect("a hash");
    let mut forms = vec![
        id.clone(),
        hex.to_owned(),
        hex.to_uppercase(),
        hex[..12].to_owned(),
        id[..id.len() - 56].to_owned(),
        format!("\\x{hex}"),
        format!("x'{hex}'"),
    ];
    if let TestServer::Redis(redis) = &store.server {
        let stored = redis.cli(&["KEYS", "idem:shop.charge:*"]).await;
        let idempotent_servers::Reply::Array(stored) = stored else { panic!("{stored:?}") };
        let stored = stored.iter().filter_map(|key| key.text());
        forms.extend(stored.filter(|key| *key == redis_key(&lost)).map(str::to_owned));
        assert_eq!(forms.len(), 8, "the store's own key is {}", redis_key(&lost));
    }
    for form in forms {
        let (shown, code) = one(&store.url, &["show", &form]).await;
        assert_eq!(
            (code, &shown["id"], &shown["key"]),
            (0, &json!(id), &json!("order:7")),
            "{form}"
        );
        assert_eq!(shown["token"], json!(lost.token().to_string()));
    }
}

pub(crate) fn redis_key(seen: &idempotent_core::engine::Inspection) -> String {
    use base64::Engine as _;
    let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(seen.id().hash());
    format!("idem:{}:{hash}", seen.id().operation())
}

async fn a_record_is_found_by_what_the_application_calls_it(store: TestStore) {
    lost(&store.engine, "7").await;
    let by =
        ["show", "--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "7"];
    let (shown, code) = one(&store.url, &by).await;
    assert_eq!(
        (code, &shown["key"], &shown["state"]),
        (0, &json!("order:7"), &json!("indeterminate"))
    );

    let (error, code) =
        one(&store.url, &["show", "--operation", "shop.charge", "--key", "order:7"]).await;
    assert_eq!((code, &error["code"]), (3, &json!("not_found")));
    let hint = error["message"].as_str().expect("a message");
    assert!(hint.contains("list --operation shop.charge --matching order:7"), "{hint}");
    let by = ["show", "--operation", "shop.charge", "--key", "order:", "--key", "7"];
    let (error, _) = one(&store.url, &by).await;
    let hint = error["message"].as_str().expect("a message");
    assert!(hint.ends_with("list --operation shop.charge --matching 7"), "{hint}");
    let (_, hex) = shown["id"].as_str().and_then(|id| id.split_once(':')).expect("a hash");
    let of_another = format!("shop.quote:{}", &hex[..12]);
    assert_eq!(one(&store.url, &["show", &of_another]).await.1, 3);
}

async fn a_result_is_shown_as_json(store: TestStore) {
    let quoted = quote(&store.engine, "basket 9").await;
    assert_eq!(quoted, receipt());
    let (shown, _) =
        one(&store.url, &["show", "--operation", "shop.quote", "--key", "basket 9"]).await;
    let value = json!({ "number": 7, "paid": "2026-11-29", "lines": [["tea", 2.5]] });
    assert_eq!(
        shown["result"],
        json!({ "is_error": false, "encoding": "messagepack", "value": value })
    );
}

async fn records_are_counted_by_operation(store: TestStore) {
    let _running = fill(&store.engine).await;
    let (stats, code) = one(&store.url, &["stats"]).await;
    assert_eq!((code, &stats["records"], &stats["complete"]), (0, &json!(4), &json!(true)));
    let operations = stats["operations"].as_array().expect("a list");
    assert_eq!(operations.len(), 2);
    let charges = &operations[0];
    assert_eq!((&charges["operation"], &charges["records"]), (&json!("shop.charge"), &json!(3)));
    assert_eq!(charges["states"], json!({ "completed": 1, "indeterminate": 1, "reserved": 1 }));
    assert!(charges["oldest_unfinished_seconds"].is_number());
    assert!(operations[1]["oldest_unfinished_seconds"].is_null());
}

#[tokio::test]
async fn a_group_that_sentinel_watches_is_a_store() {
    require!(Server::Redis);
    let sentinel = Sentinel::start(1, 1).await;
    let hosts: Vec<_> =
        sentinel.sentinel_urls().iter().map(|url| url["redis://".len()..].to_owned()).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), sentinel.master_name());
    let (listed, code) = documents(&url, &["list"]).await;
    assert_eq!((listed.len(), code), (0, 0));
    let server = format!("redis+sentinel://127.0.0.1:{}/group", sentinel.servers()[0].port());
    for (url, says) in [
        (url.replace(sentinel.master_name(), "nobody"), "the sentinels know no group of this name"),
        (server, "no sentinel answers there"),
    ] {
        let ran = run(&url, &["list"]).await;
        assert!(ran.code == 5 && ran.stderr.contains(says), "{url}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_cluster_is_a_store() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let source = idempotent_core::backends::RedisSource::cluster(cluster.urls());
    let store = idempotent_core::backends::RedisStore::builder(source)
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects");
    let engine = idempotent_core::Idempotency::new(store);
    for key in ["1", "2", "3", "4", "5", "6"] {
        quote(&engine, key).await;
    }
    let hosts: Vec<_> =
        cluster.urls().iter().map(|url| url["redis://".len()..].to_owned()).collect();
    let (listed, code) =
        documents(&format!("redis+cluster://{}", hosts.join(",")), &["list"]).await;
    assert_eq!((keys(&listed), code), (vec!["1", "2", "3", "4", "5", "6"], 0));
}

#[tokio::test]
async fn what_a_terminal_would_obey_is_not_printed() {
    let store = TestStore::sqlite().await;
    quote(&store.engine, "a\u{1b}[2Jb\u{202e}c").await;
    let ran = run(&store.url, &["list"]).await;
    assert!(ran.stdout.contains("a\\u{1b}[2Jb\\u{202e}c"), "{}", ran.stdout);
}

#[tokio::test]
async fn an_engine_with_a_secret_finds_and_believes_its_own_records() {
    let store = TestStore::sqlite().await;
    let path = store.url.strip_prefix("sqlite:").expect("a path");
    let same = idempotent_core::backends::SqliteStore::connect(path).await.expect("it opens");
    let engine = idempotent_core::Idempotency::builder(same).secret([0x5a; 32]).build();
    lost(&engine, "7").await;
    let by = [
        "--json",
        "show",
        "--operation",
        "shop.charge",
        "--scope",
        "acme",
        "--key",
        "order:",
        "--key",
        "7",
    ];
    let shown = async |secret: Option<&str>| {
        let mut command = command(&by);
        command.env("IDEMPOTENT_STORE", &store.url);
        if let Some(secret) = secret {
            command.env("IDEMPOTENT_SECRET", secret);
        }
        command.output().await.expect("it starts").status.code()
    };
    assert_eq!(shown(Some(&"5a".repeat(32))).await, Some(0));
    assert_eq!(shown(None).await, Some(3));
    let file = store.file("secret");
    std::fs::write(&file, [0x5a; 32]).expect("it is written");
    let by_file = [&by[..], &["--secret-file", file.to_str().expect("UTF-8")]].concat();
    let (shown, code) = one(&store.url, &by_file[1..]).await;
    assert_eq!((code, &shown["state"]), (0, &json!("indeterminate")));
    let id = shown["id"].as_str().expect("an id").to_owned();
    let resolve = ["resolve", &id, "--happened", "\"receipt 7\"", "--yes", "--reason", "ticket 42"];
    let (refused, code) = one(&store.url, &resolve).await;
    assert_eq!((code, &refused["code"]), (7, &json!("unreadable")));
    let with_secret = [&resolve[..], &by_file[by_file.len() - 2..]].concat();
    assert_eq!(one(&store.url, &with_secret).await.1, 0);
    assert_eq!(charge(&engine, "7", "never").await.expect("it is believed"), "receipt 7");
    assert!(seen(&engine, "7").await.is_some_and(|seen| seen.id().to_string() == id));
}

#[tokio::test]
async fn the_response_of_an_http_layer_is_shown_as_one() {
    use idempotent_core::http::StoredResponse;
    let store = TestStore::sqlite().await;
    let call = Operation::new("shop.http").key("web").engine(&store.engine);
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    let response = StoredResponse::new(http::StatusCode::CREATED, headers, r#"{"order":7}"#.into());
    let call = call.returning_binary::<StoredResponse, idempotent_core::Error>(|error| error);
    call.run(|| async { Ok(response) }).await.expect("it completes");
    let (shown, _) = one(&store.url, &["show", "--operation", "shop.http", "--key", "web"]).await;
    assert_eq!(shown["result"]["encoding"], json!("response"));
    let value = json!({
        "status": 201,
        "headers": [["content-type", "application/json"]],
        "body": { "order": 7 },
    });
    assert_eq!(shown["result"]["value"], value);
}

#[tokio::test]
async fn a_running_call_is_not_disturbed_by_being_looked_at() {
    let store = TestStore::sqlite().await;
    let running = begin(&store.engine, "10").await;
    let (shown, _) = one(&store.url, &["list", "--state", "reserved"]).await;
    let left = shown["remaining_seconds"].as_f64().expect("the store can tell");
    assert!(left > 0.0 && left <= Duration::from_secs(600).as_secs_f64(), "{left}");
    running.complete(&Ok("receipt 10".to_owned())).await;
    assert_eq!(charge(&store.engine, "10", "never").await.expect("it replays"), "receipt 10");
}
