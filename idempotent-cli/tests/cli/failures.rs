//! What does not work, and how the command ends then.

use std::process::Stdio;

use idempotent_servers::{Postgres, Redis, Server, require};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::run::{command, documents, json as all, one, read, run};
use crate::shop::{lost, quote};
use crate::stores::TestStore;

const SECRET: &str = "hunter2";

#[tokio::test]
async fn a_store_that_is_not_there_is_unavailable() {
    for url in [
        "redis://127.0.0.1:1",
        "postgres://postgres@127.0.0.1:1/postgres",
        "sqlite:/nowhere/calls.db",
        "redis+cluster://127.0.0.1:1,127.0.0.1:2",
        "redis+sentinel://127.0.0.1:1/mymaster",
    ] {
        let (error, code) = one(url, &["list"]).await;
        assert_eq!((code, &error["code"]), (5, &json!("unavailable")), "{url}");
    }
}

#[tokio::test]
async fn a_url_that_is_wrong_is_told_how_and_not_repeated() {
    for (url, says) in [
        ("", "which store?"),
        ("hunter2", "has to begin with redis://"),
        ("mysql://root:hunter2@db/shop", "no stores of the kind mysql://"),
        ("redis+sentinel://root:hunter2@db/group", "--password-file"),
        ("redis+sentinel://db:26379", "does not name the group"),
        ("redis+cluster://", "has to name its servers"),
        ("sqlite:", "has no path"),
    ] {
        let ran = run(url, &["list"]).await;
        assert_eq!(ran.code, 2, "{url}");
        assert!(ran.stderr.contains(says) && !ran.stderr.contains(SECRET), "{url}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_password_comes_from_the_environment_or_a_file_and_is_never_shown() {
    require!(Server::Redis);
    let redis = Redis::builder().password(SECRET).start().await;
    let url = format!("redis://127.0.0.1:{}", redis.port());
    let (error, code) = one(&url, &["list"]).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")));

    let with = async |name: &str, value: &str| {
        let mut list = command(&["--json", "list"]);
        list.env("IDEMPOTENT_STORE", &url).env(name, value);
        read(list.output().await.expect("it starts"))
    };
    assert_eq!(with("IDEMPOTENT_PASSWORD", SECRET).await.code, 0);
    let wrong = with("IDEMPOTENT_PASSWORD", "hunter3").await;
    assert!(wrong.code == 5 && !wrong.stderr.contains("hunter3"), "{}", wrong.stderr);
    let advice = "; check `--username` and `$IDEMPOTENT_PASSWORD` or `--password-file`";
    assert!(wrong.stderr.contains(advice), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("of the builder"), "{}", wrong.stderr);
    let missing = with("IDEMPOTENT_PASSWORD_FILE", "/nowhere/password").await;
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("/nowhere/password cannot be read"), "{}", missing.stderr);
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).expect("it is written");
    assert_eq!(with("IDEMPOTENT_PASSWORD_FILE", file.to_str().expect("UTF-8")).await.code, 0);
}

#[tokio::test]
async fn options_come_from_a_file_and_the_command_line_wins() {
    let store = TestStore::sqlite().await;
    quote(&store.engine, "basket 9").await;
    let config = store.file("config.toml");
    std::fs::write(&config, format!("store = {:?}\n", store.url)).expect("it is written");
    let path = config.to_str().expect("UTF-8");
    let listed = read(command(&["--config", path, "list"]).output().await.expect("it starts"));
    assert!(listed.code == 0 && listed.stdout.contains("basket 9"), "{}", listed.stderr);
    let other = ["--config", path, "--store", "sqlite:/nowhere/calls.db", "list"];
    assert_eq!(read(command(&other).output().await.expect("it starts")).code, 5);
    std::fs::write(&config, format!("stroe = \"redis://:{SECRET}@db\"\n")).expect("it is written");
    let wrong = read(command(&["--config", path, "list"]).output().await.expect("it starts"));
    assert!(wrong.code == 2 && wrong.stderr.contains("line 1"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains(SECRET), "{}", wrong.stderr);
}

#[tokio::test]
async fn an_option_that_the_store_has_not_is_a_mistake() {
    for (url, option) in [
        ("sqlite:/tmp/x.db", "--prefix"),
        ("redis://127.0.0.1:1", "--table"),
        ("postgres://postgres@127.0.0.1:1/x", "--prefix"),
    ] {
        let ran = run(url, &["list", option, "x"]).await;
        assert!(ran.code == 2 && ran.stderr.contains("has no meaning"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_role_that_may_only_read_lists_and_changes_nothing() {
    require!(Server::Postgres);
    let store = TestStore::postgres().await;
    let crate::stores::TestServer::Postgres(postgres, _) = &store.server else { return };
    lost(&store.engine, "7").await;
    postgres
        .sql(
            "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA idempotent TO reader; \
             GRANT SELECT ON ALL TABLES IN SCHEMA idempotent TO reader",
        )
        .await;
    let url = store.url.replacen("postgres@", "reader@", 1);
    assert_ne!(url, store.url);
    let (listed, code) = all(&url, &["list"]).await;
    assert_eq!((listed.len(), code), (1, 0));
    let id = listed[0]["id"].as_str().expect("an id");
    let (error, code) = one(&url, &["purge", id, "--yes", "--reason", "r"]).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")));
}

#[tokio::test]
async fn a_standby_lists_and_changes_nothing() {
    require!(Server::Postgres);
    let primary = Postgres::start().await;
    let store = idempotent_core::backends::PostgresStore::connect(primary.url())
        .await
        .expect("it connects");
    let engine = idempotent_core::Idempotency::new(store);
    lost(&engine, "7").await;
    let standby = Postgres::builder().standby_of(&primary).start().await;
    // It has a copy from after the record.
    let (listed, code) = all(&standby.url(), &["list"]).await;
    assert_eq!((listed.len(), code), (1, 0));
    let id = listed[0]["id"].as_str().expect("an id");
    let (error, code) = one(&standby.url(), &["purge", id, "--yes", "--reason", "r"]).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")));
}

/// A pipe holds 64 KiB, and the list is longer, so it is not over before its reader says so.
async fn long_list() -> TestStore {
    let store = TestStore::sqlite().await;
    let key = "x".repeat(200);
    for number in 0..500 {
        quote(&store.engine, &format!("{key}{number}")).await;
    }
    store
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_a_list_quietly() {
    let store = long_list().await;
    let mut list = command(&["list"]);
    let mut child = list.env("IDEMPOTENT_STORE", &store.url).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.next_line().await.expect("it is read").is_some());
    drop(lines);
    let ran = read(child.wait_with_output().await.expect("it ends"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn ctrl_c_ends_a_list_between_two_records_and_says_how_far_it_came() {
    let store = long_list().await;
    let mut list = command(&["--json", "list"]);
    list.env("IDEMPOTENT_STORE", &store.url).stderr(Stdio::piped());
    let mut child = list.spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    stdout.read_line(&mut text).await.expect("it is read");
    let pid = child.id().expect("it runs").to_string();
    let killed =
        std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
    assert!(killed.success());
    stdout.read_to_string(&mut text).await.expect("it is read");
    let mut ran = read(child.wait_with_output().await.expect("it ends"));
    ran.stdout = text;
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let documents = documents(&ran);
    let last = documents.last().expect("an error");
    let shown = documents.len() - 1;
    assert!(
        shown < 500 && last["message"] == json!(format!("interrupted after {shown} records")),
        "{last}"
    );
}

#[tokio::test]
async fn arguments_that_are_wrong_say_what_to_write() {
    let store = TestStore::sqlite().await;
    for (arguments, says) in [
        (&["show"][..], "Name it by its id"),
        (&["show", "order 7"], "is no record"),
        (&["show", "order 7"], "to find it by its key: `idempotent list --matching 'order 7'`"),
        (&["purge", "--scope", "acme", "--yes", "--reason", "r"], "or add --all"),
        (&["show", "1234567"], "is no record"),
        (&["purge", "--all", "--yes", "--reason", "r"], "--operation"),
        (&["resolve", "0123456789", "--yes", "--reason", "r"], "--happened"),
        (&["list", "--state", "lost"], "indeterminate"),
    ] {
        let ran = run(&store.url, arguments).await;
        assert!(ran.code == 2 && ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(run(&store.url, &["show", "0123456789"]).await.code, 3);
}
