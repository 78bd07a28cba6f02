//! A worker: this test program, started again as a process of its own, on a file that it shares.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use idempotent_core::backends::SqliteStore;
use idempotent_core::{Error, Guarantee, Idempotency, Operation};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;

/// The environment variable with a worker's [`Settings`].
const VARIABLE: &str = "IDEMPOTENT_TESTS_SQLITE_WORKER";
/// The test that is the worker, when the variable is set.
const TEST: &str = "worker::works_when_another_test_starts_it";
/// What a worker says begins with this: the test harness says things too.
const MARK: &str = "> ";

/// How long the calls of [`Work::Hold`] outlive their worker.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How many calls a worker makes at once.
const AT_ONCE: u32 = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    file: PathBuf,
    name: u32,
    work: Work,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Begins a call whose body does not end.
    Hold { key: u32, at_most_once: bool },
    /// Begins a call within a transaction, whose body has an effect and does not end.
    HoldWithin { key: u32 },
    /// Waits for [`Worker::go`], makes a call of each of so many keys, several at once, and ends. Four processes whose
    /// commits wait for one disk renew too late for [`LEASE`], so the calls have a lease of their own.
    Each { keys: u32, lease: Duration },
    /// Makes a call of one key after another, and does not end.
    Endless,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It waits for others.
    Ready,
    /// The body ran.
    Ran(u32),
    /// The caller has this answer.
    Answered(u32, String),
}

/// The calls of all workers.
pub(crate) fn order(at_most_once: bool) -> Operation {
    let guarantee = if at_most_once { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce };
    Operation::new("shop::order").lease(LEASE).guarantee(guarantee)
}

/// One call, whose body answers with `result`.
pub(crate) async fn call(
    engine: &Idempotency,
    operation: Operation,
    key: u32,
    result: &str,
) -> Result<String, Error> {
    let call = operation.key(&key).engine(engine).returning::<Result<String, Error>>();
    call.run(|| async { Ok(result.to_owned()) }).await
}

/// A running worker. Dropping it kills it with `kill -9`.
pub(crate) struct Worker {
    child: Child,
    said: UnboundedReceiver<Said>,
}

impl Worker {
    pub(crate) fn start(file: &Path, name: u32, work: Work) -> Self {
        let settings = Settings { file: file.to_owned(), name, work };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--ignored", "--nocapture"])
            .env(VARIABLE, serde_json::to_string(&settings).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(line) = line.strip_prefix(MARK) {
                    let _ = say.send(Said::read(line));
                }
            }
        });
        Self { child, said }
    }

    /// Lets a worker begin that is [`Said::Ready`].
    pub(crate) fn go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    /// The next thing that it says; `None` after its end.
    pub(crate) async fn says(&mut self) -> Option<Said> {
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, self.said.recv()).await.expect("the worker says something")
    }

    /// All that it says from now on, until its end.
    pub(crate) async fn rest(&mut self) -> Vec<Said> {
        let mut rest = Vec::new();
        while let Some(said) = self.says().await {
            rest.push(said);
        }
        rest
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn read(line: &str) -> Self {
        if line == "ready" {
            return Self::Ready;
        }
        let mut words = line.splitn(3, ' ');
        let (what, key) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        match (what, words.next()) {
            ("ran", None) => Self::Ran(key),
            ("answered", Some(answer)) => Self::Answered(key, answer.to_owned()),
            _ => panic!("a worker said: {line}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is a worker, which the other tests start"]
async fn works_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    let options = SqliteConnectOptions::new().filename(&settings.file);
    let store = SqliteStore::builder(settings.file)
        .response_timeout(Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let engine = Idempotency::new(store);
    let name = settings.name;
    match settings.work {
        Work::Hold { key, at_most_once } => {
            let call = order(at_most_once).key(&key).engine(&engine);
            let call = call.returning::<Result<String, Error>>();
            let never = call.run(|| async {
                println!("\n{MARK}ran {key}");
                std::future::pending().await
            });
            never.await.unwrap();
        }
        Work::HoldWithin { key } => {
            let pool = SqlitePool::connect_with(options).await.unwrap();
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            let call = order(false).key(&key).engine(&engine);
            let call = call.returning::<Result<String, Error>>();
            let never = call.run_in(&mut *tx, async |tx| {
                let effect = sqlx::query("INSERT INTO effects VALUES (?1)").bind(key.to_string());
                effect.execute(tx).await.unwrap();
                println!("\n{MARK}ran {key}");
                std::future::pending().await
            });
            never.await.unwrap();
        }
        Work::Each { keys, lease } => {
            println!("\n{MARK}ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            let mut tasks = JoinSet::new();
            for first in 0..AT_ONCE {
                let engine = engine.clone();
                tasks.spawn(async move {
                    for step in (first..keys).step_by(AT_ONCE as usize) {
                        // Each worker begins elsewhere, so that they meet.
                        work(&engine, (step + name * 7) % keys, name, lease).await;
                    }
                });
            }
            tasks.join_all().await;
        }
        Work::Endless => {
            for key in 0.. {
                work(&engine, key, name, LEASE).await;
            }
        }
    }
}

/// Makes a call and says what came of it.
async fn work(engine: &Idempotency, key: u32, name: u32, lease: Duration) {
    let call = order(false).lease(lease).wait(Duration::from_secs(30)).key(&key).engine(engine);
    let call = call.returning::<Result<String, Error>>();
    let answer = call.run(move || async move {
        println!("\n{MARK}ran {key}");
        // Long enough for others to come by.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(format!("order {key} by {name}"))
    });
    let answer = answer.await.unwrap();
    println!("\n{MARK}answered {key} {answer}");
}
