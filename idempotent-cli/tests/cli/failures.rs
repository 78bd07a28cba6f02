//! What does not work, and how the command ends then.

use std::process::Stdio;

use idempotent_servers::{Postgres, Redis, Reply, Server, TcpProxy, require};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::run::{assert_runs, command, documents, json as all, one, read, run};
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
async fn a_role_that_is_not_there_is_refused() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    let url = postgres.url().replacen("postgres@", "nobody@", 1);
    let (error, code) = one(&url, &["list"]).await;
    let says = error["message"].as_str().expect("a message");
    assert!(code == 5 && says.contains("nobody"), "{says}");
}

/// What a server allows to be read is listed, and a purge is refused and leaves the record.
async fn lists_and_changes_nothing(redis: &Redis, url: &str) {
    let (listed, code) = all(url, &["list"]).await;
    assert_eq!((listed.len(), code), (1, 0));
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!(one(url, &["show", id]).await.1, 0);
    let (error, code) = one(url, &["purge", id, "--yes", "--reason", "r"]).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")), "{error}");
    assert_eq!(redis.cli(&["DBSIZE"]).await, Reply::Int(1));
}

#[tokio::test]
async fn a_user_of_redis_that_may_only_read_lists_and_changes_nothing() {
    require!(Server::Redis);
    let rules = "on >pw ~* +@read +@connection +multi +exec +info";
    let redis = Redis::builder().user("reader", rules).start().await;
    let store = idempotent_core::backends::RedisStore::connect(redis.url()).await;
    lost(&idempotent_core::Idempotency::new(store.expect("it connects")), "7").await;
    let url = format!("redis://reader:pw@127.0.0.1:{}", redis.port());
    lists_and_changes_nothing(&redis, &url).await;
}

#[tokio::test]
async fn a_replica_of_redis_lists_and_changes_nothing() {
    require!(Server::Redis);
    let (redis, replica) = (Redis::start().await, Redis::start().await);
    let store = idempotent_core::backends::RedisStore::connect(redis.url()).await;
    lost(&idempotent_core::Idempotency::new(store.expect("it connects")), "7").await;
    replica.cli(&["REPLICAOF", "127.0.0.1", &redis.port().to_string()]).await;
    let start = std::time::Instant::now();
    while replica.cli(&["DBSIZE"]).await != Reply::Int(1) {
        assert!(start.elapsed().as_secs() < 30, "it does not come");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    lists_and_changes_nothing(&redis, &replica.url()).await;
}

#[tokio::test]
async fn ctrl_c_ends_a_purge_between_two_records_and_says_how_many_it_has_removed() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    let crate::stores::TestServer::Redis(redis) = &store.server else { return };
    for number in 0..300 {
        quote(&store.engine, &format!("basket {number}")).await;
    }
    let proxy = TcpProxy::start(redis.address()).await;
    // So that this test comes in between.
    proxy.delay_replies(std::time::Duration::from_millis(50));
    let mut purge = command(&["--json", "purge", "--all", "--operation", "shop.quote"]);
    purge.args(["--expect", "300", "--yes", "--reason", "r"]);
    purge.env("IDEMPOTENT_STORE", proxy.redis_url());
    let mut child = purge.spawn().expect("it starts");
    while redis.cli(&["DBSIZE"]).await == Reply::Int(300) {
        assert_runs(&mut child);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    redis.stop_process();
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    redis.resume();
    let ran = read(child.wait_with_output().await.expect("it ends"));
    let purged = &documents(&ran)[0]["purged"];
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    // Not by DBSIZE, which counts what has expired a moment ago.
    let left = all(&store.url, &["list"]).await.0.len();
    assert_eq!((purged, left > 0), (&json!(300 - left), true));
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
    // It is told while it waits for its reader.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
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
