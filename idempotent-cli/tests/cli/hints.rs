//! What is said to whoever is nearly right, or cannot know.

use std::time::{Duration, Instant};

use idempotent_core::model::StepEntry;
use idempotent_servers::{Redis, Server, require};
use serde_json::json;

use crate::run::{audit, command, one, read, run};
use crate::shop::{charge, checkout, lost};
use crate::stores::TestStore;

#[tokio::test]
async fn a_name_that_is_nearly_right_is_told_the_right_one() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let listed = run(&store.url, &["list", "--operation", "shop.chagre"]).await;
    assert!(listed.code == 0 && listed.stdout.is_empty(), "{}", listed.stdout);
    assert!(listed.stderr.contains("is it --operation shop.charge?"), "{}", listed.stderr);
    let listed = run(&store.url, &["list", "--operation", "shop.charge", "--state", "completed"]);
    let said = listed.await.stderr;
    assert!(said.contains("no such records") && !said.contains("is it"), "{said}");

    let shown = run(&store.url, &["show", "shop.charge:order 7"]).await;
    let by_parts = "idempotent show --operation shop.charge --key 'order 7'";
    assert!(shown.code == 2 && shown.stderr.contains(by_parts), "{}", shown.stderr);
}

#[tokio::test]
async fn a_text_without_quotes_is_told_how_to_write_it() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let resolve = async |said: &str| {
        let resolve = ["resolve", &id, "--happened", said, "--yes", "--reason", "r"];
        run(&store.url, &resolve).await
    };
    let bare = resolve("paid by card").await;
    assert!(bare.code == 2 && bare.stderr.contains("'\"paid by card\"'"), "{}", bare.stderr);
    let broken = resolve("{\"paid\": ").await;
    assert!(broken.code == 2 && !broken.stderr.contains("quotes"), "{}", broken.stderr);
    assert_eq!(resolve("\"paid by card\"").await.code, 0);
    assert_eq!(charge(&store.engine, "7", "again").await.expect("a replay"), "paid by card");
}

#[tokio::test]
async fn tls_to_a_server_without_it_is_said_in_words() {
    require!(Server::Redis);
    let redis = Redis::builder().password("hunter2").start().await;
    for url in [
        format!("rediss://127.0.0.1:{}", redis.port()),
        format!("rediss+cluster://127.0.0.1:{}", redis.port()),
    ] {
        let listed = run(&url, &["--timeout", "1s", "list"]).await;
        assert!(
            listed.code == 5 && listed.stderr.contains("it speaks no TLS"),
            "{}",
            listed.stderr
        );
    }
}

#[tokio::test]
async fn a_port_of_postgres_where_nobody_listens_is_said_at_once_and_once() {
    let start = Instant::now();
    let listed = run("postgres://postgres@127.0.0.1:1/shop", &["--timeout", "60s", "list"]).await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(listed.code, 5);
    assert_eq!(listed.stderr.matches("refused").count(), 1, "{}", listed.stderr);
    assert!(listed.stderr.contains("postgres at 127.0.0.1:1"), "{}", listed.stderr);
}

#[tokio::test]
async fn who_it_is_is_known_without_a_variable_and_from_the_file() {
    let store = TestStore::sqlite().await;
    let log = store.file("audit.jsonl");
    let config = store.file("config.toml");
    std::fs::write(&config, "operator = \"on-call@example\"\n").expect("it is written");
    let path = config.to_str().expect("UTF-8");
    let purge = async |key: &str, more: &[&str]| {
        let id = lost(&store.engine, key).await.id().to_string();
        let purge = [&["purge", &id, "--yes", "--reason", "r"], more].concat();
        let mut command = command(&purge);
        command.env_remove("USER").env("IDEMPOTENT_STORE", &store.url);
        command.env("PATH", "/usr/bin:/bin").env("IDEMPOTENT_AUDIT_LOG", &log);
        assert_eq!(read(command.output().await.expect("it starts")).code, 0);
        let lines = audit(&log);
        lines[lines.len() - 2]["operator"].as_str().expect("a name").to_owned()
    };
    let id = std::process::Command::new("id").arg("-un").output().expect("it is there");
    let user = String::from_utf8(id.stdout).expect("UTF-8");
    let by_user = purge("7", &[]).await;
    assert!(by_user.starts_with(&format!("{}@", user.trim())), "{by_user}");
    assert_eq!(purge("8", &["--config", path]).await, "on-call@example");
    assert_eq!(purge("9", &["--config", path, "--operator", "ada"]).await, "ada");
}

#[tokio::test]
async fn keys_that_a_call_sends_are_derived_as_its_own_code_derives_them() {
    let store = TestStore::sqlite().await;
    checkout(&store.engine, false).await.expect_err("nobody knows");
    let show = ["show", "--operation", "shop.checkout", "--key", "order 7", "--derive", "stripe"];
    let (shown, code) = one(&store.url, &show).await;
    let derived = shown["derived"].as_array().expect("a list");
    let id = store.engine.record_id("shop.checkout", None, &"order 7").expect("an id");
    let call = store.engine.inspect(&id).await.expect("it answers").expect("it is there");
    assert_eq!((code, derived.len()), (0, 1 + call.steps().len()));
    assert_eq!(derived[0]["key"], json!(id.derive("stripe").to_string()));
    assert_eq!(derived[0]["next"][2], json!(id.derive_nth("stripe", 2).to_string()));
    let (step, entry): &(_, StepEntry) = &call.steps()[1];
    assert_eq!(derived[2]["step"]["name"], json!(entry.name()));
    assert_eq!(derived[2]["key"], json!(step.derive("stripe").to_string()));
    let text = run(&store.url, &show).await.stdout;
    assert!(text.contains(&id.derive("stripe").to_string()), "{text}");
    assert!(text.contains("step charge[card 9], derive(\"stripe\"):"), "{text}");
}

#[tokio::test]
async fn whoever_searches_for_a_key_in_vain_sees_what_keys_look_like() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let ran = run(&store.url, &["list", "--matching", "order-7"]).await;
    assert!(
        ran.stderr.ends_with("; 1 were searched, with keys such as order:7\n"),
        "{}",
        ran.stderr
    );
}

/// The audit line of a change has the id as it was typed.
#[tokio::test]
async fn an_id_of_another_operation_names_no_record() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let other = id.replace("shop.charge:", "shop.refund:");
    let ran = run(&store.url, &["show", &other]).await;
    let says = "the record with these digits is of shop.charge, and not of shop.refund";
    assert!(ran.code == 3 && ran.stderr.contains(says), "{}", ran.stderr);
    let from_a_log = run(&store.url, &["show", &format!("record={id}")]).await;
    assert!(from_a_log.code == 0 && from_a_log.stdout.contains(&id), "{}", from_a_log.stderr);
}
