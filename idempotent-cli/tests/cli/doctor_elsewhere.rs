//! `doctor`: what is no setting of the server: a clock that is not its own, a file that is on another machine, results that are
//! not kept for long enough, and records that are all too old.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use idempotent_core::backends::{PostgresStore, SqliteStore};
use idempotent_servers::{Postgres, Server, require};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::doctor::{doctor, set, sound_redis};
use crate::run::{command, documents, json as all, read};
use crate::shop::{fill, quote};
use crate::stores::{TestStore, on_every_store};

/// What is found on a machine whose clock goes wrong by so much.
async fn doctor_at(offset: &str, url: &str) -> Vec<(String, String)> {
    let faketime = Server::Faketime.find().expect("it is here");
    let mut doctor = Command::new(faketime);
    let usual = command(&[]);
    let variables = usual.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    doctor.args(["-f", offset, env!("CARGO_BIN_EXE_idempotent"), "--json", "doctor"]);
    doctor.env_clear().envs(variables).env("PATH", "/usr/bin:/bin").env("IDEMPOTENT_STORE", url);
    doctor.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let found = documents(&read(doctor.output().await.expect("it starts")));
    let findings = found.iter().filter(|document| document["kind"] == json!("finding"));
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    findings.map(|finding| (text(&finding["code"]), text(&finding["what"]))).collect()
}

async fn finds_another_time(url: &str) {
    for (offset, direction) in [("-1h", "ahead of"), ("+1h", "behind")] {
        let found = doctor_at(offset, url).await;
        let clock = found.iter().find(|(code, _)| code == "clock");
        let (_, what) = clock.unwrap_or_else(|| panic!("{offset}: {found:?}"));
        assert!(what.contains(direction), "{offset}: {what}");
    }
    assert!(doctor_at("+0", url).await.iter().all(|(code, _)| code != "clock"));
}

#[tokio::test]
async fn a_clock_that_is_not_that_of_redis_is_found() {
    require!(Server::Redis, Server::Faketime);
    finds_another_time(&sound_redis().await.url()).await;
}

#[tokio::test]
async fn a_clock_that_is_not_that_of_postgres_is_found() {
    require!(Server::Postgres, Server::Faketime);
    let postgres = Postgres::start().await;
    PostgresStore::builder(postgres.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects")
        .close()
        .await;
    finds_another_time(&postgres.url()).await;
}

/// A folder of another machine: what one program serves, another one mounts. They are ended with it.
struct Mounted {
    _programs: [Child; 2],
}

impl Mounted {
    async fn new(served: &Path, at: &Path) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        let start = |program: &mut Command, socket: UnixStream| {
            let again = socket.try_clone().expect("a socket");
            program.stdin(OwnedFd::from(again)).stdout(OwnedFd::from(socket));
            program.stderr(Stdio::null()).kill_on_drop(true).spawn().expect("it starts")
        };
        let sftp = start(&mut Command::new("/usr/lib/openssh/sftp-server"), theirs);
        let mut sshfs = Command::new(Server::Sshfs.find().expect("it is here"));
        sshfs.args(["-f", "-o", "passive,auto_unmount", &format!(":{}", served.display())]).arg(at);
        let mounted = Self { _programs: [sftp, start(&mut sshfs, ours)] };
        let begin = Instant::now();
        while std::fs::read_dir(at).map(Iterator::count).unwrap_or_default() == 0 {
            assert!(begin.elapsed() < Duration::from_secs(30), "it is not mounted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        mounted
    }

    async fn end(self, at: &Path) {
        let ended = Command::new("fusermount3").arg("-u").arg(at).status().await;
        assert!(ended.expect("it is there with sshfs").success());
    }
}

#[tokio::test]
async fn a_file_of_another_machine_is_found() {
    require!(Server::Sshfs);
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let [served, at] = ["served", "mounted"].map(|name| folder.path().join(name));
    for folder in [&served, &at] {
        std::fs::create_dir(folder).expect("a folder");
    }
    SqliteStore::connect(served.join("calls.db")).await.expect("it opens").close().await;
    let url = |folder: &Path| format!("sqlite:{}", folder.join("calls.db").display());
    assert_eq!(doctor(&url(&served)).await, (set(&[]), 0, 0));
    let mounted = Mounted::new(&served, &at).await;
    assert_eq!(doctor(&url(&at)).await, (set(&["network-file-system"]), 8, 8));
    mounted.end(&at).await;
}

/// By default for a day.
async fn results_that_are_forgotten_before_their_call_may_come_again_are_found(store: TestStore) {
    let _running = fill(&store.engine).await;
    quote(&store.engine, "basket 10").await;
    let found = async |redelivery: &str| {
        let (found, _) = all(&store.url, &["doctor", "--redelivery", redelivery]).await;
        let mut found = found.into_iter();
        found.find(|finding| finding["code"] == json!("retention-below-redelivery"))
    };
    assert_eq!(found("24h").await, None);
    let finding = found("7d").await.expect("it is found");
    let what = "results are kept: shop.charge for 24h, shop.quote for 24h";
    let mend = "give these operations a ttl above 7d";
    assert_eq!((&finding["what"], &finding["mend"]), (&json!(what), &json!(mend)));
    let (_, code) = all(&store.url, &["doctor", "--redelivery", "7d"]).await;
    assert_eq!(code, 8);
}

/// As one is that was restored from a backup.
async fn a_store_without_the_calls_of_late_is_found(store: TestStore) {
    let found = async |newest: &str| {
        let (found, _) = all(&store.url, &["doctor", "--newest", newest]).await;
        let mut found = found.into_iter();
        let found = found.find(|finding| finding["code"] == json!("restored-backup"));
        found.map(|finding| finding["what"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(found("1h").await.as_deref(), Some("there is no record"));
    quote(&store.engine, "basket 10").await;
    assert_eq!(found("1h").await, None);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let what = found("1s").await.expect("it is found");
    assert!(what.starts_with("the newest record was reserved "), "{what}");
    let (_, code) = all(&store.url, &["doctor", "--newest", "1s"]).await;
    assert_eq!(code, 8);
}

on_every_store! {
    a_store_without_the_calls_of_late_is_found,
    results_that_are_forgotten_before_their_call_may_come_again_are_found
}
