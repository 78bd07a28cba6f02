//! Nothing stays behind: not after a drop, not after a panic, not after `kill -9` of the owner; and
//! servers that start at once do not get into each other's way.
//!
//! The owners are processes of this very program: a test starts it again with the name of an
//! `#[ignore]`d test that starts servers, says what it started, and waits to be killed.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use idempotent_servers::{Namespace, Postgres, Redis, Sentinel, Server, require};

/// A process that owns servers, whose temporary folder is its own: nobody else sweeps it.
struct Owner {
    child: Child,
    pids: Vec<u32>,
    folder: PathBuf,
    // Open, since it goes on to write there.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Owner {
    // Starts this program again, for one ignored test, and waits until that says what it has.
    fn of(servers: &str) -> Owner {
        Owner::at(tempdir(), servers)
    }

    fn at(folder: PathBuf, servers: &str) -> Owner {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", servers])
            .env("TMPDIR", &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pids = lines.by_ref().map_while(Result::ok);
        let pids = pids.filter_map(|line| Some(line.split_once("pids:")?.1.to_string())).next();
        let pids = pids.unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        Owner { child, pids, folder, _output: lines }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    // Files, namespaces and processes. Each names the owner's pid, by its folder.
    fn leftovers(&self) -> Vec<String> {
        leftovers(&self.folder, self.child.id())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait(), std::fs::remove_dir_all(&self.folder));
    }
}

fn tempdir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("owner-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    folder
}

fn leftovers(folder: &Path, owner: u32) -> Vec<String> {
    let name = format!("idempotent-servers-{owner}-");
    let mut left = Vec::new();
    for folder in [folder, Path::new("/run/netns")] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path().display().to_string());
        left.extend(paths.filter(|path| path.contains(&name)));
    }
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let place = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains(&name) || place.to_string_lossy().contains(&name) {
            left.push(format!("{}: {line:?}", entry.path().display()));
        }
    }
    left
}

// Blocks of shared memory that were created by one of these processes.
fn shared_memory_of(pids: &[u32]) -> Vec<String> {
    let blocks = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let creator = |line: &&str| line.split_whitespace().nth(4).and_then(|pid| pid.parse().ok());
    let ours = |line: &&str| creator(line).is_some_and(|pid| pids.contains(&pid));
    blocks.lines().filter(ours).map(String::from).collect()
}

fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

fn say_and_wait(pids: &[u32]) {
    let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
    println!("pids: {}", pids.join(" "));
    // Longer than any test, and not for ever should nobody kill us.
    std::thread::sleep(Duration::from_secs(120));
}

#[tokio::test]
#[ignore = "an owner, for another test to kill"]
async fn owner_of_redis() {
    let redis = Redis::start().await;
    let frozen = Redis::start().await;
    frozen.stop_process();
    say_and_wait(&[redis.pid(), frozen.pid()]);
}

#[tokio::test]
#[ignore = "an owner, for another test to kill"]
async fn owner_of_a_partition() {
    let namespace = Namespace::create().await;
    let cluster = namespace.cluster(3, 0).start().await;
    let pids: Vec<_> = cluster.nodes().iter().map(Redis::pid).collect();
    say_and_wait(&pids);
}

#[tokio::test]
#[ignore = "an owner, for another test to kill"]
async fn owner_of_postgres() {
    let postgres = Postgres::start().await;
    say_and_wait(&[postgres.pid()]);
}

#[tokio::test]
#[ignore = "an owner, for another test to let panic"]
async fn owner_that_panics() {
    let sentinel = Sentinel::start(1, 1).await;
    let pids: Vec<_> =
        sentinel.servers().iter().chain(sentinel.sentinels()).map(Redis::pid).collect();
    println!("pids: {} {} {}", pids[0], pids[1], pids[2]);
    panic!("as a failing test does");
}

fn nothing_outlives_kill_9_of(servers: &str) -> Vec<u32> {
    let mut owner = Owner::of(servers);
    assert!(owner.pids.iter().all(|pid| !is_gone(*pid)));
    assert!(!owner.leftovers().is_empty(), "looks in the wrong place");

    owner.kill();

    let deadline = Instant::now() + Duration::from_secs(20);
    let mut left = owner.leftovers();
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
        left = owner.leftovers();
    }
    assert!(owner.pids.iter().all(|pid| is_gone(*pid)));
    std::mem::take(&mut owner.pids)
}

#[test]
fn servers_running_and_frozen_end_with_an_owner_that_is_killed() {
    require!(Server::Redis);
    nothing_outlives_kill_9_of("owner_of_redis");
}

#[test]
fn namespaces_end_with_an_owner_that_is_killed() {
    require!(Server::Redis, Server::Namespaces);
    nothing_outlives_kill_9_of("owner_of_a_partition");
}

#[test]
fn postgres_and_its_processes_and_memory_end_with_an_owner_that_is_killed() {
    require!(Server::Postgres);
    let pids = nothing_outlives_kill_9_of("owner_of_postgres");
    assert_eq!(shared_memory_of(&pids), Vec::<String>::new());
}

#[test]
fn a_panic_leaves_nothing() {
    require!(Server::Redis);

    let mut owner = Owner::of("owner_that_panics");
    let status = owner.child.wait().unwrap();

    assert!(!status.success());
    // At once, since unwinding waits for the guards.
    assert_eq!(owner.leftovers(), Vec::<String>::new());
    assert!(owner.pids.iter().all(|pid| is_gone(*pid)));
}

#[tokio::test]
async fn a_drop_leaves_nothing_when_it_returns() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let (pid, address, folder) = (redis.pid(), redis.address(), redis.tls_folder().to_path_buf());
    assert!(folder.join("redis.sock").exists());

    drop(redis);

    assert!(is_gone(pid));
    assert!(!folder.exists());
    assert!(std::net::TcpListener::bind(address).is_ok());
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing() {
    require!(Server::Redis);
    let mut owner = Owner::of("owner_that_gives_up");

    assert!(owner.child.wait().unwrap().success());

    assert_eq!(owner.leftovers(), Vec::<String>::new());
}

#[test]
#[ignore = "an owner, for another test to wait for"]
fn owner_that_gives_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("pids:");
    runtime.block_on(async {
        // Asked once, and dropped. The start goes on where it may block, and nobody takes its server.
        tokio::select! {
            biased;
            _ = Redis::start() => panic!("a server started in no time"),
            () = std::future::ready(()) => {}
        }
    });
}

#[tokio::test]
async fn a_guard_that_is_killed_takes_its_server_along() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", redis.pid())).unwrap();
    let guard = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().to_string();

    assert!(Command::new("kill").args(["-KILL", &guard]).status().unwrap().success());

    let deadline = Instant::now() + Duration::from_secs(10);
    while redis.is_running() {
        assert!(Instant::now() < deadline, "the server outlives its guard");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_a_process_that_is_gone_left_is_swept() {
    require!(Server::Redis, Server::Namespaces);
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let name = format!("idempotent-servers-{}-0", gone.id());
    assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
    let folder = tempdir();
    std::fs::create_dir(folder.join(&name)).unwrap();

    // Each process sweeps once, so a fresh one has to.
    let _owner = Owner::at(folder.clone(), "owner_of_a_partition");

    assert_eq!(leftovers(&folder, gone.id()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_servers_of_several_processes_have_ports_of_their_own() {
    require!(Server::Redis);
    let other = Owner::of("owner_of_redis");

    let starts: Vec<_> = (0..24).map(|_| tokio::spawn(Redis::start())).collect();
    let mut servers = Vec::new();
    for start in starts {
        servers.push(start.await.unwrap());
    }

    let ports: BTreeSet<_> = servers.iter().map(Redis::port).collect();
    assert_eq!(ports.len(), 24);
    for redis in &servers {
        let info = redis.cli(&["INFO", "server"]).await.to_string();
        assert!(info.contains(&format!("process_id:{}\r\n", redis.pid())));
    }
    assert!(other.pids.iter().all(|pid| !is_gone(*pid)));
}
