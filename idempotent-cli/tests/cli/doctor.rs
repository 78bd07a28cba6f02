//! `doctor`: each weakness, set up for real, is found; a sound server has none.

use std::collections::BTreeSet;

use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_servers::{Cluster, Postgres, PostgresVersion, Redis, Server, require};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{json as documents, run};

/// What was found, and the exit codes without and with `--strict`.
pub(crate) async fn doctor(url: &str) -> (BTreeSet<String>, i32, i32) {
    // Servers that sync may take long on a busy disk.
    let patient = ["--timeout", "20s", "doctor"];
    let (found, code) = documents(url, &patient).await;
    let (strictly, strict) = documents(url, &[&patient[..], &["--strict"]].concat()).await;
    assert!(code != 5 && strict != 5, "it is unavailable: {found:#?} {strictly:#?}");
    assert_eq!(found.len(), strictly.len());
    let (checkup, findings) = found.split_last().expect("a checkup");
    assert_eq!(
        (&checkup["kind"], &checkup["findings"]),
        (&json!("checkup"), &json!(findings.len()))
    );
    assert_eq!(checkup["unknown"], json!([]));
    let codes = findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned());
    (codes.collect(), code, strict)
}

pub(crate) fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

pub(crate) async fn sound_redis() -> Redis {
    let redis = Redis::builder().persistent_aof().start().await;
    redis.cli(&["CONFIG", "SET", "appendfsync", "always"]).await;
    redis
}

#[tokio::test]
async fn a_sound_redis_has_nothing() {
    require!(Server::Redis);
    let redis = sound_redis().await;
    assert_eq!(doctor(&redis.url()).await, (set(&[]), 0, 0));
    let ran = run(&redis.url(), &["doctor"]).await;
    assert!(ran.code == 0 && ran.stdout.ends_with(" checks, nothing found\n"), "{}", ran.stdout);
    let told = run(&redis.url(), &["doctor", "-v"]).await.stdout;
    assert!(told.contains("looked for, at ") && told.contains("eviction-policy, "), "{told}");
}

#[tokio::test]
async fn each_weakness_of_a_redis_is_found_and_gone_once_it_is_mended() {
    require!(Server::Redis);
    let redis = sound_redis().await;
    for (name, weak, sound, code, exit) in [
        ("appendfsync", "no", "always", "appendfsync-no", 8),
        ("appendfsync", "everysec", "always", "appendfsync-everysec", 0),
        ("maxmemory-policy", "allkeys-lru", "noeviction", "eviction-policy", 8),
        ("maxmemory-policy", "volatile-ttl", "noeviction", "eviction-policy", 8),
    ] {
        redis.cli(&["CONFIG", "SET", name, weak]).await;
        assert_eq!(doctor(&redis.url()).await, (set(&[code]), exit, 8), "{name} {weak}");
        redis.cli(&["CONFIG", "SET", name, sound]).await;
    }
    // So much that what connections need makes no difference.
    redis.cli(&["SETRANGE", "other", "100000000", "x"]).await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "106000000"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&["memory-nearly-full"]), 8, 8));
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    redis.cli(&["DEL", "other"]).await;
    redis.cli(&["CONFIG", "SET", "appendonly", "no"]).await;
    redis.cli(&["CONFIG", "SET", "save", "3600 1"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&["snapshots-only"]), 8, 8));
    redis.cli(&["CONFIG", "SET", "save", ""]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&["no-persistence"]), 8, 8));
    redis.cli(&["CONFIG", "SET", "appendonly", "yes"]).await;
    assert_eq!(doctor(&redis.url()).await.0, set(&[]));
}

#[tokio::test]
async fn a_redis_that_has_evicted_keys_is_found() {
    require!(Server::Redis);
    let redis = sound_redis().await;
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let value = "x".repeat(100_000);
    for number in 0..100 {
        redis.cli(&["SET", &format!("other:{number}"), &value]).await;
        redis.cli(&["CONFIG", "SET", "maxmemory", "3000000"]).await;
    }
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&["evicted"]), 8, 8));
}

#[tokio::test]
async fn a_redis_that_waits_for_no_replica_is_noted_and_a_replica_is_no_store() {
    require!(Server::Redis);
    let (redis, replica) = (sound_redis().await, sound_redis().await);
    let port = redis.port().to_string();
    replica.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
    let start = std::time::Instant::now();
    let is_online = async || {
        let info = redis.cli(&["INFO", "replication"]).await;
        info.text().is_some_and(|info| info.contains("state=online"))
    };
    while !is_online().await {
        assert!(start.elapsed().as_secs() < 30, "the replica does not come");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(doctor(&redis.url()).await, (set(&["asynchronous-replication"]), 0, 8));
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    assert_eq!(doctor(&redis.url()).await, (set(&[]), 0, 0));
    let (found, code, _) = doctor(&replica.url()).await;
    assert!(code == 8 && found.contains("replica") && found.contains("not-serving"), "{found:?}");
}

/// The folder of its snapshots goes away under it.
#[tokio::test]
async fn a_redis_whose_snapshots_fail_is_found_until_they_work_again() {
    require!(Server::Redis);
    let redis =
        Redis::builder().arg("--enable-protected-configs", "yes").persistent_aof().start().await;
    let folder = TempDir::new().expect("a folder");
    let gone = folder.path().join("gone");
    std::fs::create_dir(&gone).expect("it is ours");
    let save = async |into: &std::path::Path, expected: &str| {
        let path = into.display().to_string();
        let set = redis.cli(&["CONFIG", "SET", "dir", &path]).await;
        assert!(!set.is_error(), "{set:?}");
        if expected == "err" {
            std::fs::remove_dir(into).expect("it is empty");
        }
        redis.cli(&["BGSAVE"]).await;
        let start = std::time::Instant::now();
        let status = format!("rdb_last_bgsave_status:{expected}");
        let has_ended = async || {
            let info = redis.cli(&["INFO", "persistence"]).await;
            let info = info.text().unwrap_or_default();
            info.contains("rdb_bgsave_in_progress:0") && info.contains(&status)
        };
        while !has_ended().await {
            assert!(start.elapsed().as_secs() < 30, "it does not end");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    save(&gone, "err").await;
    assert_eq!(doctor(&redis.url()).await, (set(&["persistence-fails"]), 8, 8));
    save(folder.path(), "ok").await;
    assert_eq!(doctor(&redis.url()).await, (set(&[]), 0, 0));
}

/// A primary waits for more replicas before it sends the first one its records.
#[tokio::test]
async fn a_replica_that_does_not_have_the_records_is_found() {
    require!(Server::Redis);
    let (redis, replica) = (sound_redis().await, sound_redis().await);
    redis.cli(&["CONFIG", "SET", "repl-diskless-sync", "yes"]).await;
    redis.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "3600"]).await;
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    let port = redis.port().to_string();
    replica.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
    let start = std::time::Instant::now();
    let is_waiting = async || {
        let info = redis.cli(&["INFO", "replication"]).await;
        info.text().is_some_and(|info| info.contains("state=wait_bgsave"))
    };
    while !is_waiting().await {
        assert!(start.elapsed().as_secs() < 30, "the replica does not come");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let found = doctor(&redis.url()).await;
    assert_eq!(found, (set(&["asynchronous-replication", "replica-lags"]), 8, 8));
}

#[tokio::test]
async fn a_cluster_that_elects_stale_replicas_is_found_node_by_node() {
    require!(Server::Redis);
    let cluster = Cluster::builder(3, 0).validity_factor(0).persistent_aof().start().await;
    for node in cluster.nodes() {
        node.cli(&["CONFIG", "SET", "appendfsync", "always"]).await;
    }
    let hosts: Vec<_> =
        cluster.urls().iter().map(|url| url["redis://".len()..].to_owned()).collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    let (found, code) = documents(&url, &["doctor"]).await;
    let stale = found.iter().filter(|finding| finding["code"] == json!("stale-replica"));
    assert_eq!((code, stale.count()), (8, 3), "{found:#?}");
}

#[tokio::test]
async fn what_a_redis_does_not_tell_is_listed_and_not_strictly_sound() {
    require!(Server::Redis);
    let redis =
        Redis::builder().user("app", "on >pw ~* &* +@all -config").persistent_aof().start().await;
    redis.cli(&["CONFIG", "SET", "appendfsync", "always"]).await;
    let url = format!("redis://app:pw@127.0.0.1:{}", redis.port());
    let (found, code) = documents(&url, &["doctor"]).await;
    let unknown: Vec<_> = found[0]["unknown"].as_array().expect("a list").iter().collect();
    assert!(code == 0 && unknown.contains(&&json!("save")), "{found:#?}");
    assert_eq!(documents(&url, &["doctor", "--strict"]).await.1, 8);
}

async fn sound_postgres() -> Postgres {
    let postgres = Postgres::builder().fsync(true).start().await;
    PostgresStore::builder(postgres.url())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    postgres
}

/// Returns once new sessions have what the files say.
async fn reload(postgres: &Postgres) {
    let loaded = async || postgres.sql("SELECT pg_conf_load_time()").await;
    let (before, start) = (loaded().await, std::time::Instant::now());
    postgres.sql("SELECT pg_reload_conf()").await;
    while loaded().await == before {
        assert!(start.elapsed().as_secs() < 30, "it does not read its files");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_weakness_of_a_postgres_is_found_and_gone_once_it_is_mended() {
    require!(Server::Postgres);
    let postgres = sound_postgres().await;
    assert_eq!(doctor(&postgres.url()).await, (set(&[]), 0, 0));
    postgres.sql("CREATE ROLE app LOGIN").await;
    for (weak, sound, code, exit) in [
        (
            "ALTER SYSTEM SET full_page_writes = off",
            "ALTER SYSTEM RESET full_page_writes",
            "full-page-writes",
            8,
        ),
        (
            "ALTER SYSTEM SET synchronous_commit = off",
            "ALTER SYSTEM RESET synchronous_commit",
            "synchronous-commit",
            8,
        ),
        ("ALTER SYSTEM SET autovacuum = off", "ALTER SYSTEM RESET autovacuum", "autovacuum", 8),
        (
            "ALTER TABLE idempotent.records SET (autovacuum_enabled = false)",
            "ALTER TABLE idempotent.records RESET (autovacuum_enabled)",
            "autovacuum",
            8,
        ),
        (
            "ALTER TABLE idempotent.records SET UNLOGGED",
            "ALTER TABLE idempotent.records SET LOGGED",
            "unlogged-table",
            8,
        ),
        (
            "ALTER ROLE app SET synchronous_commit = off",
            "ALTER ROLE app RESET synchronous_commit",
            "role-synchronous-commit",
            8,
        ),
        (
            "ALTER ROLE app SET statement_timeout = '200ms'",
            "ALTER ROLE app RESET statement_timeout",
            "role-timeout",
            8,
        ),
        (
            "ALTER ROLE app SET lock_timeout = 50",
            "ALTER ROLE app RESET lock_timeout",
            "role-timeout",
            8,
        ),
        (
            "ALTER ROLE app IN DATABASE postgres SET default_transaction_read_only = on",
            "ALTER ROLE app IN DATABASE postgres RESET default_transaction_read_only",
            "role-read-only",
            8,
        ),
        (
            "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'",
            "ALTER DATABASE postgres RESET default_transaction_isolation",
            "role-isolation",
            0,
        ),
        (
            "INSERT INTO idempotent.records (id, operation, token, guarantee, record, lapses_at, retention, expires_at) \
             SELECT decode(md5(n::text) || md5(n::text), 'hex'), 'shop.quote', '\\x00', 0, '\\x00', \
             now() - interval '2 hours', interval '1 day', now() - interval '1 hour' FROM generate_series(1, 1000) AS n",
            "DELETE FROM idempotent.records",
            "not-swept",
            8,
        ),
    ] {
        postgres.sql(weak).await;
        reload(&postgres).await;
        assert_eq!(doctor(&postgres.url()).await, (set(&[code]), exit, 8), "{weak}");
        postgres.sql(sound).await;
        reload(&postgres).await;
    }
    // Short for a store that waits for longer.
    postgres.sql("ALTER ROLE app SET statement_timeout = '2s'").await;
    assert_eq!(doctor(&postgres.url()).await, (set(&[]), 0, 0));
    let patient = ["doctor", "--response-timeout", "3s"];
    let (found, code) = documents(&postgres.url(), &patient).await;
    assert_eq!((code, found.len(), &found[0]["code"]), (8, 2, &json!("role-timeout")));
}

/// Older versions do not have it.
#[tokio::test]
async fn a_short_transaction_timeout_of_a_role_is_found() {
    require!(Server::Postgres18);
    let postgres = Postgres::builder().version(PostgresVersion::V18).fsync(true).start().await;
    PostgresStore::builder(postgres.url())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    postgres.sql("CREATE ROLE app LOGIN").await;
    assert_eq!(doctor(&postgres.url()).await, (set(&[]), 0, 0));
    postgres.sql("ALTER ROLE app SET transaction_timeout = '200ms'").await;
    assert_eq!(doctor(&postgres.url()).await, (set(&["role-timeout"]), 8, 8));
}

#[tokio::test]
async fn a_postgres_without_fsync_and_a_standby_are_found() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    PostgresStore::builder(postgres.url())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    assert_eq!(doctor(&postgres.url()).await, (set(&["fsync"]), 8, 8));
    let standby = Postgres::builder().standby_of(&postgres).start().await;
    let (found, code, _) = doctor(&standby.url()).await;
    assert!(code == 8 && found.contains("standby") && found.contains("not-serving"), "{found:?}");
    let (found, ..) = doctor(&postgres.url()).await;
    assert_eq!(found, set(&["fsync", "asynchronous-replication"]));
}

#[tokio::test]
async fn a_file_that_others_may_read_or_write_is_found() {
    use std::os::unix::fs::PermissionsExt as _;
    // On a disk: what is in memory is another weakness.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = folder.path().join("calls.db");
    SqliteStore::connect(&file).await.expect("it opens").close().await;
    let url = format!("sqlite:{}", file.display());
    let with_mode = async |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        doctor(&url).await
    };
    assert_eq!(with_mode(0o600).await, (set(&[]), 0, 0));
    assert_eq!(with_mode(0o644).await, (set(&["readable-by-others"]), 8, 8));
    assert_eq!(with_mode(0o660).await.0, set(&["readable-by-others", "writable-by-others"]));
}

#[tokio::test]
async fn a_file_in_memory_is_found() {
    let folder = TempDir::new_in("/dev/shm").expect("Linux keeps it in memory");
    let file = folder.path().join("calls.db");
    SqliteStore::connect(&file).await.expect("it opens").close().await;
    let url = format!("sqlite:{}", file.display());
    assert_eq!(doctor(&url).await, (set(&["in-memory"]), 8, 8));
}

#[tokio::test]
async fn a_finding_says_what_it_means_and_the_line_that_mends_it() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    RedisStore::builder(redis.url())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    let ran = run(&redis.url(), &["doctor"]).await;
    assert_eq!(ran.code, 8);
    for part in [
        "error    no-persistence\n",
        "  what   neither appendonly nor save is on\n",
        "  means  A restart forgets every record: retries of calls that have finished run again.\n",
        "  mend   CONFIG SET appendonly yes, and the same in redis.conf\n",
        "checks, 1 found\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let (found, _) = documents(&redis.url(), &["doctor"]).await;
    assert_eq!(found[0]["severity"], Value::from("error"));
}
