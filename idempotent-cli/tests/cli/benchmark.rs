//! `bench`: it measures, and leaves nothing and nobody's records.

use std::collections::BTreeMap;
use std::time::Duration;

use idempotent_core::store::Scan;
use idempotent_servers::{Cluster, Redis, Reply, Sentinel, Server, require};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open,
};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::run::{assert_runs, command, documents, json as all, one, read, run};
use crate::shop::{fill, quote};
use crate::stores::{TestStore, on_every_store};
use crate::terminal::typed;

async fn every_request_is_measured_and_nothing_is_left(store: TestStore) {
    let _running = fill(&store.engine).await;
    let before = all(&store.url, &["list"]).await.0.len();
    let (document, code) =
        one(&store.url, &["bench", "--yes", "--tasks", "4", "--seconds", "1"]).await;
    assert_eq!(code, 0, "{document}");
    assert_measured(&document);
    assert_eq!(all(&store.url, &["list"]).await.0.len(), before);
    quote(&store.engine, "basket 9").await;
}

/// Fails unless every row is there, with what must be so of its numbers, and all that was written is purged.
fn assert_measured(document: &Value) {
    let rows = document["rows"].as_array().expect("rows");
    let names: Vec<_> = rows.iter().map(|row| row["what"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        [
            "round trip",
            "plain reserve",
            "plain complete",
            "reserve",
            "complete",
            "plain replay",
            "replay",
        ]
    );
    for row in rows {
        assert!(row["count"].as_u64() > Some(0), "{row}");
        assert!(row["p50_ms"].as_f64() <= row["p99_ms"].as_f64(), "{row}");
        assert!(row["p99_ms"].as_f64() <= row["max_ms"].as_f64(), "{row}");
    }
    assert_eq!((&document["left"], &document["complete"]), (&json!(0), &json!(true)));
    let counted = |row: usize| rows[row]["count"].as_u64().expect("a number");
    assert_eq!(document["purged"], json!(counted(1) + counted(3)), "as many as were reserved");
}

on_every_store! { every_request_is_measured_and_nothing_is_left }

/// The command's sockets that lead to a port of this machine, by their number: whether each has `TCP_NODELAY`.
fn sockets(child: &Child, port: u16) -> BTreeMap<u64, bool> {
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    let pid = pid.expect("a pid");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd");
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let Ok(files) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let numbers = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    let copies =
        numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let streams = copies.filter_map(|copy| {
        let number = rustix::fs::fstat(&copy).ok()?.st_ino;
        let stream = std::net::TcpStream::from(copy);
        let is_the_store = stream.peer_addr().ok()?.port() == port;
        is_the_store.then_some((number, stream.nodelay().ok()?))
    });
    streams.collect()
}

/// Without it, each small command waits until the one before it was acknowledged, and the rows of plain commands are too slow.
#[tokio::test]
async fn no_connection_to_redis_holds_small_commands_back() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let mut bench = command(&["bench", "--yes", "--tasks", "4", "--seconds", "2"]);
    bench.env("IDEMPOTENT_STORE", redis.url());
    let mut child = bench.spawn().expect("it starts");
    let mut seen = BTreeMap::new();
    while child.try_wait().expect("it can be asked").is_none() {
        // What was seen later counts: one may just have been opened.
        seen.extend(sockets(&child, redis.port()));
        sleep(Duration::from_millis(50)).await;
    }
    // The store's, and the plain client's own.
    assert!(seen.len() >= 2 && seen.values().all(|nodelay| *nodelay), "{seen:?}");
}

/// Measures a store of Redis that is not one server at an open port.
async fn measures(url: &str, options: &[&str]) {
    let arguments = [options, &["bench", "--yes", "--tasks", "4", "--seconds", "1"]].concat();
    let (document, code) = one(url, &arguments).await;
    assert_eq!(code, 0, "{document}");
    assert_measured(&document);
    assert!(all(url, &[options, &["list"]].concat()).await.0.is_empty());
}

fn hosts(urls: &[String]) -> String {
    let hosts: Vec<_> = urls.iter().map(|url| &url["redis://".len()..]).collect();
    hosts.join(",")
}

#[tokio::test]
async fn a_group_that_sentinel_watches_is_measured() {
    require!(Server::Redis);
    let group = Sentinel::start(1, 1).await;
    let (hosts, name) = (hosts(&group.sentinel_urls()), group.master_name());
    measures(&format!("redis+sentinel://{hosts}/{name}"), &[]).await;
}

#[tokio::test]
async fn a_cluster_is_measured() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    measures(&format!("redis+cluster://{}", hosts(&cluster.urls())), &[]).await;
}

#[tokio::test]
async fn a_server_with_tls_is_measured() {
    require!(Server::Redis, Server::OpenSsl);
    let redis = Redis::builder().tls().start().await;
    let authority = redis.tls_folder().join("ca.crt");
    measures(&redis.url(), &["--ca-file", authority.to_str().expect("UTF-8")]).await;
}

#[tokio::test]
async fn ctrl_c_ends_it_and_its_records_are_purged() {
    let store = TestStore::sqlite().await;
    // The first fifth of the time is for what writes nothing.
    let mut bench = command(&["--json", "bench", "--yes", "--tasks", "2", "--seconds", "12"]);
    let mut child = bench.env("IDEMPOTENT_STORE", &store.url).spawn().expect("it starts");
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    while store.engine.scan(&Scan::all()).await.expect("it answers").entries.is_empty() {
        assert_runs(&mut child);
        sleep(Duration::from_millis(20)).await;
    }
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    let ran = read(child.wait_with_output().await.expect("it ends"));
    let documents = documents(&ran);
    assert_eq!((ran.code, &documents[0]["complete"]), (130, &json!(false)), "{documents:?}");
    assert_eq!(documents[0]["left"], json!(0));
    assert!(documents[0]["purged"].as_u64() > Some(0), "{documents:?}");
    assert_eq!(all(&store.url, &["list"]).await.0.len(), 0);
}

/// A benchmark whose store hangs once it has records, each of which would have to time out.
async fn hanging_benchmark(redis: &Redis, limit: &str) -> Child {
    let mut bench =
        command(&["--timeout", limit, "bench", "--yes", "--tasks", "4", "--seconds", "30"]);
    let mut child = bench.env("IDEMPOTENT_STORE", redis.url()).spawn().expect("it starts");
    while redis.cli(&["DBSIZE"]).await == Reply::Int(0) {
        assert_runs(&mut child);
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(200)).await;
    redis.stop_process();
    child
}

#[tokio::test]
async fn a_store_that_goes_away_is_not_asked_for_each_record_again() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    // Long enough for a machine that is held up, and so are forty of them for thousands of records.
    let child = hanging_benchmark(&redis, "5s").await;
    let ran = timeout(Duration::from_secs(200), child.wait_with_output()).await.expect("it ends");
    redis.resume();
    let ran = read(ran.expect("it ran"));
    assert!(ran.code == 5 && ran.stderr.contains("could not be purged"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let mut child = hanging_benchmark(&redis, "300s").await;
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    // Before the first one, and between the two, it waits for what it has sent.
    timeout(Duration::from_millis(500), child.wait()).await.expect_err("it waits");
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    timeout(Duration::from_millis(500), child.wait()).await.expect_err("it waits");
    // The kernel keeps one signal of a kind for a process that has not seen it yet.
    let ended = async {
        loop {
            kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
            if let Ok(ended) = timeout(Duration::from_secs(1), child.wait()).await {
                break ended;
            }
        }
    };
    let ended = timeout(Duration::from_secs(40), ended).await.expect("it ends");
    assert_eq!(ended.expect("it ran").code(), Some(5), "its records are left");
    redis.resume();
}

#[tokio::test]
async fn a_table_fits_the_screen_and_bounds_are_kept() {
    let store = TestStore::sqlite().await;
    for (columns, header) in [("80", "P95 MS"), ("40", "P99 MS")] {
        let mut bench = command(&["bench", "--yes", "--tasks", "1", "--seconds", "1"]);
        bench.env("IDEMPOTENT_STORE", &store.url).env("COLUMNS", columns);
        let ran = read(bench.output().await.expect("it starts"));
        assert!(ran.code == 0 && ran.stdout.contains(header), "{}", ran.stdout);
        let width = columns.parse::<usize>().expect("a number");
        let table = ran.stdout.lines().skip(1).take(8);
        assert!(table.clone().all(|line| line.chars().count() <= width), "{}", ran.stdout);
        assert_eq!(table.filter(|line| line.starts_with("re")).count(), 2, "{}", ran.stdout);
    }
    for wrong in [["--tasks", "0"], ["--tasks", "1000"], ["--seconds", "0"]] {
        let ran = run(&store.url, &[&["bench", "--yes"], &wrong[..]].concat()).await;
        assert_eq!(ran.code, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn it_names_the_store_and_loads_it_only_after_a_yes() {
    let store = TestStore::sqlite().await;
    let piped = run(&store.url, &["bench"]).await;
    assert!(piped.code == 6 && piped.stderr.contains("add --yes"), "{}", piped.stderr);
    let bench = "bench --tasks 2 --seconds 1";
    let no = typed(&store, bench, "n\n", &[]).await;
    assert_eq!(no.code, 6, "{}", no.stdout);
    let question =
        format!("Load {}, table idempotent_records for 1 s", store.url.replacen(':', " file ", 1));
    assert!(no.stdout.contains(&question), "{question}: {}", no.stdout);
    assert!(!no.stdout.contains("audit log") && !no.stdout.contains("P99"), "{}", no.stdout);
    let yes = typed(&store, bench, "y\n", &[]).await;
    assert!(yes.code == 0 && yes.stdout.contains("P99"), "{}", yes.stdout);
}

#[tokio::test]
async fn what_a_killed_benchmark_leaves_is_purged_by_its_operation() {
    let store = TestStore::sqlite().await;
    let mut bench = command(&["bench", "--yes", "--tasks", "2", "--seconds", "10"]);
    let mut child = bench.env("IDEMPOTENT_STORE", &store.url).spawn().expect("it starts");
    while store.engine.scan(&Scan::all()).await.expect("it answers").entries.is_empty() {
        assert_runs(&mut child);
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(300)).await;
    child.kill().await.expect("it is killed");
    let purge = "purge --all --operation idempotent.bench --yes --expect 1000000 --reason killed";
    let words: Vec<_> = purge.split(' ').collect();
    let (purged, code) = one(&store.url, &words).await;
    assert!(code == 0 && purged["purged"].as_u64() > Some(0), "{purged}");
    // What was reserved and not completed lapses with its lease.
    assert!(all(&store.url, &["list"]).await.0.len() <= 2);
}
