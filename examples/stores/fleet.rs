//! Three worker processes race over the same 1,000 orders, through one Redis, and one of them is
//! killed on the way.
//!
//! Run it with `cargo run -p examples-stores --bin fleet`. It starts a `redis-server` of its own, or
//! uses the one that `REDIS_URL` names.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use idempotent_core::backends::RedisStore;
use idempotent_core::store::Scan;
use idempotent_core::{Error, Idempotency, idempotent};
use idempotent_servers::{Redis, Server};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

const ORDERS: u32 = 1_000;
const WORKERS: u32 = 3;
/// Orders that each worker handles at once.
const TASKS: u32 = 16;

type Failure = Box<dyn StdError + Send + Sync>;

/// Ships an order. The shipment is the line that it prints: whoever reads it knows of the effect,
/// also when this process dies the next moment.
#[idempotent(key = "order:{order}", name = "fleet::ship", ttl = "10m", lease = "2s")]
async fn ship(order: u32, worker: u32) -> Result<String, Error> {
    sleep(Duration::from_millis(5)).await;
    println!("shipped {order}");
    Ok(format!("shipped by worker {worker}"))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, worker, url, prefix] = &arguments[..] {
        assert_eq!(role, "worker", "the fleet's own first argument");
        work(worker.parse()?, url, prefix).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (url, server) = match std::env::var("REDIS_URL") {
        Ok(url) => (url, None),
        Err(_) if Server::Redis.find().is_none() => {
            eprintln!(
                "There is no redis-server here. Install one (Debian: apt-get install redis-server, \
                 macOS: brew install redis), or set REDIS_URL to one that runs."
            );
            return Ok(ExitCode::FAILURE);
        }
        Err(_) => {
            let server = Redis::start().await;
            (server.url(), Some(server))
        }
    };
    let seen = race(&url).await;
    drop(server);
    Ok(seen?.print())
}

// A worker: this same program, with other arguments.

/// Handles every order, in an order of its own, so that the workers meet at some.
async fn work(worker: u32, url: &str, prefix: &str) -> Result<(), Failure> {
    idempotent_core::install(connect(url, prefix).await?)?;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(async move {
            for step in (task..ORDERS).step_by(TASKS as usize) {
                // Steps of a number that shares no factor with 1,000 come by every order.
                handle((step * [7, 11, 13][worker as usize % 3]) % ORDERS, worker).await;
            }
        });
    }
    tasks.join_all().await;
    Ok(())
}

/// What a caller does: again, as long as the answer is that another call has this order.
async fn handle(order: u32, worker: u32) {
    loop {
        match ship(order, worker).await {
            Ok(shipment) => return println!("answered {order} {shipment}"),
            Err(error) if error.is_retryable() => {
                println!("conflict {order}");
                sleep(error.retry_after().unwrap_or_default().min(Duration::from_millis(50))).await;
            }
            Err(error) => return println!("failed {order} {error}"),
        }
    }
}

async fn connect(url: &str, prefix: &str) -> Result<Idempotency, Failure> {
    Ok(Idempotency::new(RedisStore::builder(url).prefix(prefix).connect().await?))
}

// The fleet's owner, who starts the workers, kills one, and keeps the books.

#[derive(Default)]
struct Books {
    shipments: HashMap<u32, Vec<u32>>,
    /// Of each order: which worker was told what.
    answers: HashMap<u32, Vec<(u32, String)>>,
    conflicts: usize,
    failures: Vec<String>,
    killed: Option<(u32, usize)>,
    took: Duration,
}

async fn race(url: &str) -> Result<Books, Failure> {
    let start = Instant::now();
    let prefix = format!("fleet-{}:", std::process::id());
    let (say, mut said) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        workers.push(hire(worker, url, &prefix, say.clone())?);
    }
    drop(say);
    let mut books = Books::default();
    while let Some((worker, line)) = said.recv().await {
        books.note(worker, &line);
        if books.shipments.len() >= 300 && books.killed.is_none() {
            workers[0].kill().await?;
            books.killed = Some((0, books.shipments.len()));
        }
    }
    for worker in &mut workers {
        worker.wait().await?;
    }
    books.took = start.elapsed();
    forget(url, &prefix).await?;
    Ok(books)
}

fn hire(
    worker: u32,
    url: &str,
    prefix: &str,
    say: mpsc::UnboundedSender<(u32, String)>,
) -> Result<Child, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["worker", &worker.to_string(), url, prefix])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = child.stdout.take().ok_or("a worker has an output")?;
    tokio::spawn(async move {
        let mut lines = BufReader::new(out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if say.send((worker, line)).is_err() {
                return;
            }
        }
    });
    Ok(child)
}

/// Removes every record of this race.
async fn forget(url: &str, prefix: &str) -> Result<(), Failure> {
    let engine = connect(url, prefix).await?;
    let mut scan = Scan::all();
    loop {
        let page = engine.scan(&scan).await?;
        for seen in &page.entries {
            engine.purge(seen.id()).await?;
        }
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => return Ok(()),
        }
    }
}

impl Books {
    fn note(&mut self, worker: u32, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (what, order, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
        match (what, order.and_then(|order| order.parse().ok())) {
            (Some("shipped"), Some(order)) => self.shipments.entry(order).or_default().push(worker),
            (Some("answered"), Some(order)) => {
                self.answers.entry(order).or_default().push((worker, rest.to_owned()));
            }
            (Some("conflict"), Some(_)) => self.conflicts += 1,
            _ => self.failures.push(format!("worker {worker}: {line}")),
        }
    }

    fn print(&self) -> ExitCode {
        let executions: usize = self.shipments.values().map(Vec::len).sum();
        // A worker comes by each order once, so if it shipped it, its answer is no replay.
        let replays: usize = self
            .answers
            .iter()
            .map(|(order, told)| {
                let by = self.shipments.get(order).map_or(&[][..], Vec::as_slice);
                told.iter().filter(|(worker, _)| !by.contains(worker)).count()
            })
            .sum();
        let twice: Vec<_> = self.shipments.iter().filter(|(_, by)| by.len() > 1).collect();
        let explained = |(_, by): &(&u32, &Vec<u32>)| {
            self.killed.is_some_and(|(killed, _)| by[..by.len() - 1].iter().all(|it| *it == killed))
        };
        println!("{WORKERS} worker processes, {TASKS} tasks each, {:?}", self.took);
        if let Some((worker, after)) = self.killed {
            println!("worker {worker} was killed after {after} shipments\n");
        }
        println!("{:<12}{:>6}", "orders", ORDERS);
        println!("{:<12}{executions:>6}", "executions");
        println!("{:<12}{replays:>6}", "replays");
        println!("{:<12}{:>6}", "conflicts", self.conflicts);
        println!("{:<12}{:>6}", "duplicates", twice.len());
        for (order, by) in twice.iter().filter(|it| explained(it)) {
            println!("  order {order}: by workers {by:?}, the first of which was killed half way");
        }
        for failure in &self.failures {
            println!("  {failure}");
        }
        // At least once: an order runs again only if the worker that had it was killed in between.
        let kept = self.shipments.len() == ORDERS as usize
            && self.failures.is_empty()
            && twice.iter().all(explained)
            && self.answers.values().all(|told| told.iter().all(|it| it.1 == told[0].1));
        println!("\n{}", if kept { "Every order was shipped, as promised." } else { "BROKEN" });
        if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
