//! What somebody types or means wrongly, and is told.

use idempotent_servers::{Postgres, Redis, Server, require};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::run::{command, read, run};
use crate::shop::{checkout, fill, in_doubt, lost};
use crate::stores::TestStore;
use crate::terminal::typed;

#[tokio::test]
async fn a_name_that_is_no_operation_or_scope_is_told_what_there_is_by_every_command() {
    let store = TestStore::sqlite().await;
    let _running = fill(&store.engine).await;
    let operation = "is it --operation shop.charge";
    for (arguments, code, says) in [
        (&["stats", "--operation", "shop.chagre"][..], 0, operation),
        (&["show", "--operation", "shop.chagre", "--scope", "acme", "--key", "7"], 3, operation),
        (&["purge", "--all", "--scope", "Acme", "--dry-run"], 0, "is it --scope acme?"),
        (&["purge", "--all", "--scope", "acme/", "--dry-run"], 0, "is it --scope acme?"),
        (
            &["show", "--operation", "shop.charge", "--key", "7"],
            3,
            "idempotent list --operation shop.charge",
        ),
    ] {
        let ran = run(&store.url, arguments).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, code, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(said.contains("calls.db, table idempotent_records"), "where it looked: {said}");
    }
}

#[tokio::test]
async fn an_id_is_found_as_pages_and_log_lines_have_it_and_one_that_is_not_there_is_told_why() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let (_, hash) = id.rsplit_once(':').expect("a hash");
    let short = &hash[..12];
    for text in [
        format!("shop.charge:{short}…"),
        format!("{short}..."),
        format!("(record={id})"),
        format!("\"{id}\","),
    ] {
        let shown = run(&store.url, &["show", &text]).await;
        assert!(shown.code == 0 && shown.stdout.contains(&id), "{text}: {}", shown.stderr);
    }
    let number = run(&store.url, &["show", "12345678"]).await;
    let says = "If that is a key: idempotent list --matching 12345678";
    assert!(number.code == 3 && number.stderr.contains(says), "{}", number.stderr);
    let other = run(&store.url, &["show", &format!("shop.refund:{short}")]).await;
    let says = format!("Of any operation: idempotent show {short}");
    assert!(other.code == 3 && other.stderr.contains(&says), "{}", other.stderr);
}

#[tokio::test]
async fn what_is_wrong_with_the_arguments_is_said_before_anybody_is_asked() {
    let store = TestStore::sqlite().await;
    for (arguments, says) in [
        (&["resolve", "--happened", "1"][..], "which record?"),
        (&["resolve-step", "--step", "charge", "--never-happened"], "which record?"),
        (&["release"], "which record?"),
        (&["purge", "--all"], "--all of what?"),
        (&["list", "--limit", "0"], "--limit"),
        (&["list", "--older-than", "yesterday"], "a time is a number and its unit"),
    ] {
        let ran = run(&store.url, arguments).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn what_postgres_refuses_is_said_without_its_source_lines_and_without_advice_to_create_it() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let nobody = server.url().replace("postgres@", "nobody@");
    let ran = run(&nobody, &["list"]).await;
    assert!(ran.code == 5 && ran.stderr.contains("\"nobody\" does not exist"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("at line"), "{}", ran.stderr);
    let url = server.url();
    let (address, _) = url.rsplit_once('/').expect("a database");
    let missing = format!("{address}/shopp");
    let ran = run(&missing, &["list"]).await;
    assert!(ran.code == 5 && ran.stderr.contains("is its name right?"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("create") && !ran.stderr.contains("at line"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_port_at_which_no_postgres_answers_is_said_to_be_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 64];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
                }
            });
        }
    });
    let url = format!("postgres://postgres@{address}/shop");
    let ran = run(&url, &["--timeout", "1s", "list"]).await;
    let says = format!("postgres at {address}: what answers there is no PostgreSQL");
    assert!(ran.code == 5 && ran.stderr.contains(&says), "{}", ran.stderr);
    assert!(!ran.stderr.contains("SSLRequest"), "{}", ran.stderr);
    server.abort();
}

#[tokio::test]
async fn a_port_at_which_redis_answers_is_said_to_have_no_postgres() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let url = format!("postgres://postgres@127.0.0.1:{}/shop", redis.port());
    let ran = run(&url, &["--timeout", "1s", "list"]).await;
    assert!(ran.code == 5 && ran.stderr.contains("is no PostgreSQL"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_response_that_is_none_is_said_in_words_of_json() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    for (said, words) in [
        ("\"x\"", "expected an object"),
        ("{\"status\": 200, \"headers\": 7}", "the headers are neither"),
    ] {
        let resolve = ["resolve", &id, "--response", "--happened", said, "--dry-run"];
        let ran = run(&store.url, &resolve).await;
        assert!(ran.code == 2 && ran.stderr.contains(words), "{}", ran.stderr);
        assert!(ran.stderr.contains("a response is {\"status\": 201"), "{}", ran.stderr);
    }
}

/// Staging's environment and production's file, or the other way round.
#[tokio::test]
async fn a_file_that_is_named_and_an_environment_that_means_another_store_are_refused() {
    let (store, other) = (TestStore::sqlite().await, TestStore::sqlite().await);
    let config = store.file("config.toml");
    std::fs::write(&config, format!("store = \"{}\"\n", store.url)).expect("it is written");
    let list = ["--config", config.to_str().expect("UTF-8"), "list"];
    let ran = run(&other.url, &list).await;
    assert!(ran.code == 2 && ran.stderr.contains("which store?"), "{}", ran.stderr);
    assert_eq!(run(&store.url, &list).await.code, 0, "both mean the same");
    let said = run(&other.url, &[&list[..], &["--store", &other.url]].concat()).await;
    assert_eq!(said.code, 0, "{}", said.stderr);
    let mut both_from_environment = command(&["list"]);
    both_from_environment.env("IDEMPOTENT_CONFIG", &config).env("IDEMPOTENT_STORE", &other.url);
    assert_eq!(read(both_from_environment.output().await.expect("it starts")).code, 0);
}

#[tokio::test]
async fn a_question_names_the_key_the_store_and_what_comes_of_it() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let asked = typed(&store, &format!("resolve {id} --happened '\"x\"'"), "n\n", &[]).await;
    assert_eq!(asked.code, 6, "{}", asked.stdout);
    let place = "(key order:7, scope acme, sqlite file ";
    assert!(asked.stdout.contains(place), "{}", asked.stdout);
    let log = store.file("audit.jsonl");
    let dry =
        ["resolve", &id, "--happened", "\"x\"", "--dry-run", "--operator", "ada", "--audit-log"];
    let dry = run(&store.url, &[&dry[..], &[log.to_str().expect("UTF-8")]].concat()).await;
    for says in [
        place,
        "After a yes: this call is resolved: retries replay the result.",
        "audit.jsonl would get: resolve, said happened, by ada, with the reason that you give.",
    ] {
        assert!(dry.stdout.contains(says), "{says}: {}", dry.stdout);
    }
    assert!(!log.exists());
    let purge = typed(&store, "purge --all --scope acme --state indeterminate", "n\n", &[]).await;
    assert!(purge.stdout.contains("of scope acme from sqlite file "), "{}", purge.stdout);
}

#[tokio::test]
async fn a_change_of_a_call_with_steps_says_what_becomes_of_them() {
    let store = TestStore::sqlite().await;
    checkout(&store.engine, false).await.expect_err("nobody knows");
    in_doubt(&store.engine).await;
    let ran = async |command: &[&str], operation: &str| {
        let by = ["--operation", operation, "--key", "order 7", "--dry-run"];
        run(&store.url, &[command, &by].concat()).await
    };
    let resolved = ran(&["resolve", "--happened", "7"], "shop.refund").await;
    assert!(resolved.stdout.contains("Step refund is IN DOUBT"), "{}", resolved.stdout);
    let purged = ran(&["purge"], "shop.checkout").await;
    assert!(purged.stdout.contains("1 of its steps HAS RUN"), "{}", purged.stdout);
    let shown =
        run(&store.url, &["show", "--operation", "shop.checkout", "--key", "order 7"]).await;
    assert!(shown.stdout.contains("It returns a u32."), "{}", shown.stdout);
    lost(&store.engine, "7").await;
    let by = ["--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "7"];
    let correct = [&["correct", "--happened", "\"x\"", "--dry-run"][..], &by].concat();
    let corrected = run(&store.url, &correct).await;
    assert!(
        corrected.code == 4 && corrected.stderr.contains("`idempotent resolve`"),
        "{}",
        corrected.stderr
    );
}
