//! The commands on a store with five million records, beside plain reads of the same. By hand, since it takes minutes and
//! wants a quiet machine:
//!
//! ```text
//! cargo test --release -p idempotent-cli --test cli large -- --ignored --nocapture --test-threads=1
//! ```
//!
//! `IDEMPOTENT_LARGE_RECORDS` is how many records there are, and `IDEMPOTENT_LARGE_PARTS` what of it is done: some of `speed`,
//! `scans`, `p99` and `each`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::backends::{PostgresStore, RedisStore};
use idempotent_core::model::{Envelope, Key as _, KeyParts, Record, RecordId};
use idempotent_core::store::{Complete, Reserve};
use idempotent_core::{Guarantee, Idempotency, Store};
use idempotent_servers::{Postgres, Redis, Server, require};
use sqlx::Row as _;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use crate::large_each::each;
use crate::run::command;

/// How many records a plain reader reads at once, and `--fast` too.
const PAGE: usize = 1000;

/// How often the plain reader and the command take turns.
const TURNS: usize = 3;

/// Calls that run meanwhile: so many tasks, each so often.
const CALLERS: u64 = 8;
const EVERY: Duration = Duration::from_millis(5);
const MEASURED: Duration = Duration::from_secs(20);

/// How large results are.
const BYTES: usize = 100;

const TTL: Duration = Duration::from_secs(24 * 3600);

/// The longest that a command may take.
const HOUR: Duration = Duration::from_secs(3600);

fn records() -> u64 {
    let records = std::env::var("IDEMPOTENT_LARGE_RECORDS");
    records.ok().and_then(|records| records.parse().ok()).unwrap_or(5_000_000)
}

/// A completed call, of one of five operations, whose result has so many bytes.
pub(crate) fn completed(number: u64, bytes: usize) -> (RecordId, Record) {
    const OPERATIONS: [&str; 5] =
        ["shop.charge", "shop.refund", "shop.quote", "shop.webhook", "shop.ship"];
    let operation = OPERATIONS[(number % 5) as usize];
    let (order, tenant) = (("order:", number), format!("tenant {}", number % 1000));
    let (mut key, mut scope) = (KeyParts::default(), KeyParts::default());
    order.write(&mut key);
    tenant.write(&mut scope);
    let id = RecordId::of(operation, Some(&tenant), &order).expect("a name and a key");
    let mut envelope = Envelope::new(operation).key(&key).scope(&scope);
    envelope.guarantee = Guarantee::AtMostOnce;
    let record = Reserve::new(&id, envelope).record().completed(&vec![b'x'; bytes]);
    (id, record)
}

/// What a run of the command took.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    /// The most memory that it had, in MiB.
    pub(crate) peak: f64,
    pub(crate) bytes: u64,
    /// The machine's load average of the last minute, when it ended.
    pub(crate) load: f64,
}

/// The most memory that a process has had, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn load() -> f64 {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Runs the command to its end, or for so long, and reads what it prints.
pub(crate) async fn run(url: &str, arguments: &[&str], limit: Duration) -> Ran {
    let mut command = command(arguments);
    command.env("IDEMPOTENT_STORE", url).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let (pid, mut stdout) = (child.id().expect("it runs"), child.stdout.take().expect("a pipe"));
    let reader = tokio::spawn(async move {
        let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
        while let Ok(read @ 1..) = stdout.read(&mut buffer).await {
            bytes += read as u64;
        }
        bytes
    });
    let mut most = 0;
    let status = loop {
        most = most.max(peak(pid).unwrap_or_default());
        let pause = Duration::from_millis(50);
        match tokio::time::timeout(pause, child.wait()).await {
            Ok(status) => break status.expect("it ends").code(),
            Err(_) if start.elapsed() > limit => {
                child.kill().await.expect("it runs");
                break None;
            }
            Err(_) => {}
        }
    };
    let took = start.elapsed();
    let bytes = reader.await.expect("it reads");
    Ran { code: status, took, peak: most as f64 / 1024.0, bytes, load: load() }
}

/// The 99th percentile of what a reservation and its completion take, of calls that come at a fixed rate.
async fn p99_of_calls<S: Store + Clone>(store: &S) -> f64 {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            let (start, mut took) = (Instant::now(), Vec::new());
            let mut ticks = tokio::time::interval(EVERY);
            while start.elapsed() < MEASURED {
                ticks.tick().await;
                let key = idempotent_core::model::Token::random().to_string();
                let id = RecordId::of("shop.charge", None, &key).expect("a name and a key");
                let request = Reserve::new(&id, Envelope::new("shop.charge"));
                let begin = Instant::now();
                store.reserve(&request).await.expect("it answers");
                let record = request.record().completed(b"receipt");
                let complete =
                    Complete::new(&id, request.record(), &record, Duration::from_secs(60));
                store.complete(&complete).await.expect("it answers");
                took.push(begin.elapsed());
            }
            took
        });
    }
    let mut took: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    took.sort_unstable();
    took[took.len() * 99 / 100].as_secs_f64() * 1000.0
}

/// What is measured, unless `IDEMPOTENT_LARGE_PARTS` names only some of it.
const PARTS: &str = "speed scans p99 each";

/// Measures everything, and prints a row for each.
async fn measure<S: Store + Clone>(
    name: &str,
    url: &str,
    store: &S,
    read_plainly: impl AsyncFn() -> Duration,
) {
    println!("\n{name}, {} records\n", records());
    println!(
        "| command | took | thousand records a second | peak MiB | load |\n|---|---|---|---|---|"
    );
    let parts = std::env::var("IDEMPOTENT_LARGE_PARTS").unwrap_or_else(|_| PARTS.to_owned());
    for part in parts.split_whitespace() {
        match part {
            "speed" => speed(url, &read_plainly).await,
            "scans" => scans(url).await,
            "p99" => p99_beside_list(url, store).await,
            "each" => {
                for (what, ran) in each(url, &Idempotency::new(store.clone())).await {
                    row(&what, &ran);
                }
            }
            other => panic!("there is no part {other}"),
        }
    }
}

fn row(what: &str, ran: &Ran) {
    assert!(ran.peak <= 64.0, "{what}: {ran:?}");
    let seconds = ran.took.as_secs_f64();
    let rate = records() as f64 / seconds / 1000.0;
    println!("| {what} | {seconds:.2} s | {rate:.0} | {:.0} | {:.1} |", ran.peak, ran.load);
}

/// The plain reader and `list --fast` take turns, so that what else the machine does hits both.
async fn speed(url: &str, read_plainly: &impl AsyncFn() -> Duration) {
    let (mut plain, mut listed) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        plain.push(read_plainly().await);
        let ran = run(url, &["list", "--fast"], HOUR).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        listed.push(ran);
    }
    let turns = plain.iter().zip(&listed);
    let mut speeds: Vec<_> =
        turns.map(|(plain, ran)| plain.as_secs_f64() / ran.took.as_secs_f64()).collect();
    speeds.sort_by(f64::total_cmp);
    plain.sort_unstable();
    listed.sort_by_key(|ran| ran.took);
    println!("| plain reads | {:.1} s | | |", plain[TURNS / 2].as_secs_f64());
    row("list --fast", &listed[TURNS / 2]);
    println!("| … of the speed of plain reads | {:.2} | {speeds:.2?} | |", speeds[TURNS / 2]);
}

async fn scans(url: &str) {
    for arguments in [
        &["--json", "list", "--fast"][..],
        &["list", "--fast", "--state", "indeterminate"],
        &["stats", "--fast"],
        &["watch", "-n", "1", "--fast"],
        &["purge", "--all", "--operation", "shop.ship", "--fast", "--dry-run"],
    ] {
        let ran = run(url, arguments, HOUR).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        row(&arguments.join(" "), &ran);
    }
}

async fn p99_beside_list<S: Store + Clone>(url: &str, store: &S) {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(p99_of_calls(store).await);
        let gently = run(url, &["list"], MEASURED);
        let (ran, p99) = tokio::join!(gently, p99_of_calls(store));
        assert!(ran.bytes > 0 && ran.peak <= 64.0, "{ran:?}");
        beside.push(p99);
    }
    alone.sort_by(f64::total_cmp);
    beside.sort_by(f64::total_cmp);
    let (alone, beside) = (alone[TURNS / 2], beside[TURNS / 2]);
    let times = beside / alone;
    println!(
        "| p99 of calls alone, and beside `list` | {alone:.2} ms, {beside:.2} ms | {times:.2} times | |"
    );
}

pub(crate) async fn connect(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).expect("a URL");
    // Its own limit is half a second.
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.expect("it connects")
}

/// The store's own key.
pub(crate) fn redis_key(id: &RecordId) -> String {
    format!("idem:{}:{}", id.operation(), URL_SAFE_NO_PAD.encode(id.hash()))
}

async fn fill_redis(url: &str) {
    let connection = connect(url).await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let mut connection = connection.clone();
        writers.spawn(async move {
            let numbers: Vec<_> =
                (0..records()).filter(|number| number / 1000 % 4 == writer).collect();
            for numbers in numbers.chunks(PAGE) {
                let mut pipe = redis::pipe();
                for number in numbers {
                    let (id, record) = completed(*number, BYTES);
                    let ttl = TTL.as_millis() as u64;
                    let set = pipe.cmd("SET").arg(redis_key(&id)).arg(record.as_bytes());
                    set.arg("PX").arg(ttl).ignore();
                }
                let () = pipe.query_async(&mut connection).await.expect("it is written");
            }
        });
    }
    writers.join_all().await;
}

/// `SCAN` with the same `COUNT`, and `MGET` of what it finds.
async fn read_redis(url: &str) -> Duration {
    let mut connection = connect(url).await;
    let (start, mut cursor, mut read) = (Instant::now(), 0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg("idem:*").arg("COUNT").arg(PAGE);
        let (next, keys): (u64, Vec<Vec<u8>>) =
            scan.query_async(&mut connection).await.expect("it scans");
        if !keys.is_empty() {
            let mut get = redis::cmd("MGET");
            get.arg(&keys);
            let values: Vec<Option<Vec<u8>>> =
                get.query_async(&mut connection).await.expect("it reads");
            read += values.len() as u64;
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert!(read >= records(), "{read}");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "five million records, by hand"]
async fn five_million_records_in_redis() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let start = Instant::now();
    fill_redis(&redis.url()).await;
    println!("filled in {:.0} s", start.elapsed().as_secs_f64());
    let store = RedisStore::builder(redis.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects");
    let url = redis.url();
    measure("Redis", &url, &store, async || read_redis(&url).await).await;
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn fill_postgres(url: &str) {
    let pool = sqlx::PgPool::connect(url).await.expect("it connects");
    let mut writers = JoinSet::new();
    for writer in 0..2 {
        let pool = pool.clone();
        writers.spawn(async move {
            let mut connection = pool.acquire().await.expect("it connects");
            let copy = "COPY idempotent.records (id, operation, token, guarantee, record, retention, expires_at) FROM STDIN";
            let mut copy = connection.copy_in_raw(copy).await.expect("it begins");
            let expires = "2099-01-01 00:00:00+00";
            let mut numbers = (0..records()).filter(|number| number % 2 == writer).peekable();
            while numbers.peek().is_some() {
                let mut rows = String::new();
                for number in numbers.by_ref().take(PAGE) {
                    let (id, record) = completed(number, BYTES);
                    let (hash, token) = (hex(id.hash()), hex(record.token().as_bytes()));
                    let (operation, record) = (id.operation().to_owned(), hex(record.as_bytes()));
                    rows += &format!(
                        "\\\\x{hash}\t{operation}\t\\\\x{token}\t1\t\\\\x{record}\t30 days\t{expires}\n"
                    );
                }
                copy.send(rows.as_bytes()).await.expect("it is written");
            }
            copy.finish().await.expect("it is written");
        });
    }
    writers.join_all().await;
    sqlx::query("VACUUM ANALYZE idempotent.records").execute(&pool).await.expect("it ends");
}

/// Pages by the primary key.
async fn read_postgres(url: &str) -> Duration {
    let pool = sqlx::PgPool::connect(url).await.expect("it connects");
    let (start, mut after, mut read) = (Instant::now(), Vec::new(), 0);
    loop {
        let page = "SELECT id, operation, record, lapses_at, expires_at FROM idempotent.records \
                    WHERE id > $1 ORDER BY id LIMIT 1000";
        let rows = sqlx::query(page).bind(&after).fetch_all(&pool).await.expect("it reads");
        let Some(last) = rows.last() else { break };
        after = last.get::<Vec<u8>, _>(0);
        read += rows.len() as u64;
    }
    assert!(read >= records(), "{read}");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "five million records, by hand"]
async fn five_million_records_in_postgres() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    let store = PostgresStore::builder(postgres.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects");
    let start = Instant::now();
    fill_postgres(&postgres.url()).await;
    println!("filled in {:.0} s", start.elapsed().as_secs_f64());
    let url = postgres.url();
    measure("PostgreSQL", &url, &store, async || read_postgres(&url).await).await;
}
