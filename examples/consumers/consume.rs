//! A warehouse that ships a thousand orders from NATS `JetStream`. Every fifth is published twice, one cannot be read,
//! and a worker is killed half way; each order takes effect once, but for what the killed worker had in hand.
//!
//! Run it with `cargo run -p examples-consumers --bin consume`. It starts a NATS server of its own, or uses the one that
//! `NATS_URL` names; there it leaves the streams `ORDERS` and `DEAD` behind.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context, stream};
use idempotent_core::Idempotency;
use idempotent_core::backends::SqliteStore;
use idempotent_core::consumer::jetstream::{JetStreamSource, MESSAGE_ID, REASON};
use idempotent_core::consumer::{Attempts, Backoff, Consumer, Json};
use idempotent_servers::Nats;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::sleep;

const ORDERS: u32 = 1_000;
const CONCURRENCY: usize = 16;

type Failure = Box<dyn StdError + Send + Sync>;

#[derive(Deserialize, Serialize)]
struct OrderPlaced {
    order: u32,
}

// The worker: a process of its own, of which there may be as many as you like.

async fn work(broker: &str, records: &str) -> Result<(), Failure> {
    let engine = Idempotency::new(SqliteStore::connect(records).await?);
    let consumer = Consumer::builder("warehouse.ship", &engine)
        .concurrency(CONCURRENCY)
        .attempts(Attempts::max(5).backoff(Backoff::constant(Duration::from_millis(100))))
        .on_settled(|settled| println!("{}", settled.outcome.as_str()))
        .handler(ship);
    let source = JetStreamSource::new(connect(broker).await?, "ORDERS", "warehouse")
        .dead_letters("dead.orders");
    consumer.run(source, told_to_stop()).await?;
    Ok(())
}

/// Ships an order. Each time is an effect.
async fn ship(Json(placed): Json<OrderPlaced>) -> Result<(), Failure> {
    sleep(Duration::from_millis(5)).await;
    println!("order {}", placed.order);
    Ok(())
}

/// Ends when the process that started this one closes its input. A service waits for SIGTERM here.
async fn told_to_stop() {
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    let _ = stopped.await;
}

// The broker.

async fn connect(broker: &str) -> Result<Context, Failure> {
    Ok(jetstream::new(async_nats::connect(broker).await?))
}

async fn create_streams(context: &Context) -> Result<PullConsumer, Failure> {
    let stream = |name: &str, subjects: &str| stream::Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        ..stream::Config::default()
    };
    for name in ["ORDERS", "DEAD"] {
        let _ = context.delete_stream(name).await;
    }
    let orders = context.create_stream(stream("ORDERS", "orders.>")).await?;
    context.create_stream(stream("DEAD", "dead.>")).await?;
    let warehouse = pull::Config {
        durable_name: Some("warehouse".to_owned()),
        ack_wait: Duration::from_secs(2),
        max_deliver: -1,
        ..pull::Config::default()
    };
    Ok(orders.create_consumer(warehouse).await?)
}

/// Publishes the orders, and one that nobody can read. Every fifth comes twice, as from a producer that was not told
/// whether the first one arrived, and so late that the stream has forgotten it.
async fn publish(context: &Context) -> Result<(), Failure> {
    for order in 0..ORDERS {
        let payload = format!(r#"{{"order":{order}}}"#);
        let headers = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, format!("order-{order}"));
            headers
        };
        send(context, headers("Nats-Msg-Id"), &payload).await?;
        if order % 5 == 0 {
            send(context, headers(MESSAGE_ID), &payload).await?;
        }
        if order == ORDERS / 2 {
            send(context, HeaderMap::new(), "an order on paper").await?;
        }
    }
    Ok(())
}

async fn send(context: &Context, headers: HeaderMap, payload: &str) -> Result<(), Failure> {
    let payload = payload.to_owned().into();
    context.publish_with_headers("orders.placed", headers, payload).await?.await?;
    Ok(())
}

// What the workers say.

#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// How often each order was shipped.
    shipped: BTreeMap<u32, u32>,
    /// How often deliveries ended like this.
    outcomes: BTreeMap<String, u32>,
}

impl Ledger {
    fn books<T>(&self, read: impl FnOnce(&mut Books) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, line: String) {
        self.books(|books| match line.strip_prefix("order ").and_then(|it| it.parse().ok()) {
            Some(order) => *books.shipped.entry(order).or_default() += 1,
            None => *books.outcomes.entry(line).or_default() += 1,
        });
    }

    fn shipped(&self) -> usize {
        self.books(|books| books.shipped.len())
    }
}

/// Starts a worker, and notes what it says.
fn start_worker(broker: &str, records: &str, ledger: &Ledger) -> Result<Child, Failure> {
    let mut worker = Command::new(std::env::current_exe()?)
        .args(["worker", broker, records])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = worker.stdout.take().ok_or("the worker has no output")?;
    let ledger = ledger.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            ledger.note(line);
        }
    });
    Ok(worker)
}

/// Shows how far it is, on a terminal.
async fn progress(ledger: &Ledger, until: usize) {
    while ledger.shipped() < until {
        if std::io::stdout().is_terminal() {
            let done = ledger.shipped() * 40 / ORDERS as usize;
            print!("\r[{:-<40}] {:>4} of {ORDERS}", "#".repeat(done), ledger.shipped());
            let _ = std::io::stdout().flush();
        }
        sleep(Duration::from_millis(50)).await;
    }
    if std::io::stdout().is_terminal() {
        print!("\r{:60}\r", "");
    }
}

async fn run(broker: &str, records: &Path) -> Result<bool, Failure> {
    let records = records.to_str().ok_or("the path is not UTF-8")?;
    let context = connect(broker).await?;
    let warehouse = create_streams(&context).await?;
    publish(&context).await?;
    println!("{ORDERS} orders are placed, {} of them twice, and one on paper", ORDERS / 5);

    let ledger = Ledger::default();
    let mut workers = vec![start_worker(broker, records, &ledger)?];
    workers.push(start_worker(broker, records, &ledger)?);
    progress(&ledger, ORDERS as usize / 3).await;
    workers[0].kill()?;
    println!("a worker is killed after {} orders, and another takes its place", ledger.shipped());
    workers[0].wait()?;
    workers[0] = start_worker(broker, records, &ledger)?;
    progress(&ledger, ORDERS as usize).await;
    loop {
        let info = warehouse.get_info().await?;
        if (info.num_ack_pending, info.num_pending) == (0, 0) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    for worker in &mut workers {
        drop(worker.stdin.take());
        worker.wait()?;
    }

    let dead = context.get_stream("DEAD").await?;
    let parked = dead.cached_info().state.messages;
    let letter = dead.get_raw_message(1).await?;
    let reason = letter.headers.get(REASON).map_or("", async_nats::HeaderValue::as_str).to_owned();
    let (shipped, twice, outcomes) = ledger.books(|books| {
        let twice = books.shipped.values().filter(|times| **times > 1).count();
        (books.shipped.len(), twice, books.outcomes.clone())
    });
    println!("\n| what became of deliveries | how often |\n|---|---:|");
    for (outcome, times) in &outcomes {
        println!("| {outcome} | {times} |");
    }
    println!(
        "\n{shipped} orders were shipped, {twice} of them twice: the killed worker had them in hand"
    );
    println!("{parked} message is parked: {reason}");
    Ok(shipped == ORDERS as usize && twice <= CONCURRENCY && parked == 1)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, _, broker, records] = &arguments[..] {
        work(broker, records).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = std::env::temp_dir().join(format!("idempotent-consume-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let records = folder.join("records.sqlite");
    let (_server, url) = match std::env::var("NATS_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let server = Nats::start().await;
            let url = server.url();
            (Some(server), url)
        }
    };
    let ended = run(&url, &records).await;
    std::fs::remove_dir_all(&folder)?;
    let adds_up = ended?;
    println!("{}", if adds_up { "it adds up" } else { "it does NOT add up" });
    Ok(if adds_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
