//! What calls on a file cost, beside the plain statements that nobody can leave out:
//! `cargo bench --bench sqlite`.
//!
//! Plain is a pool of sqlx with the same settings: an `INSERT` that does nothing where the key is taken
//! and an `UPDATE` for an execution, a `SELECT` for a replay. Both sides in turns.

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use idempotent_core::backends::SqliteStore;
use idempotent_core::{Error, Idempotency, Operation};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinSet;

type Failure = Box<dyn StdError + Send + Sync>;

const ROUNDS: usize = 5;
/// A log of changes that still grows makes each flush of the disk several times as expensive.
const GROW: &str = "CREATE TABLE grown AS SELECT randomblob(8000000) AS bytes";

const CHARGE: Operation = Operation::new("bench::charge");

/// Some 180 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Receipt {
    order: u64,
    cents: u64,
    text: String,
}

impl Receipt {
    fn of(order: u64) -> Self {
        Self { order, cents: 1990, text: "charged to the card that ends in 4242; ".repeat(4) }
    }
}

#[derive(Clone)]
enum Side {
    Plain(SqlitePool),
    Call(Idempotency),
}

impl Side {
    async fn run(&self, key: u64) -> Result<Receipt, Failure> {
        match self {
            Self::Plain(pool) => plain(pool, key).await,
            Self::Call(engine) => {
                let call = CHARGE.key(&key).engine(engine).returning::<Result<Receipt, Error>>();
                Ok(call.run(|| async move { Ok(Receipt::of(key)) }).await?)
            }
        }
    }
}

async fn plain(pool: &SqlitePool, key: u64) -> Result<Receipt, Failure> {
    let key = key.to_le_bytes().to_vec();
    let found = sqlx::query_scalar("SELECT result FROM plain WHERE id = ?1");
    if let Some(Some(result)) = found.bind(key.clone()).fetch_optional(pool).await? {
        let result: Vec<u8> = result;
        return Ok(serde_json::from_slice(&result)?);
    }
    let won = sqlx::query("INSERT INTO plain (id) VALUES (?1) ON CONFLICT (id) DO NOTHING");
    won.bind(key.clone()).execute(pool).await?;
    let receipt = Receipt::of(7);
    let done = sqlx::query("UPDATE plain SET result = ?2 WHERE id = ?1");
    done.bind(key).bind(serde_json::to_vec(&receipt)?).execute(pool).await?;
    Ok(receipt)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for synchronous in [SqliteSynchronous::Full, SqliteSynchronous::Normal] {
        for tasks in [1, 64] {
            compare(synchronous, tasks).await?;
        }
    }
    Ok(())
}

/// Microseconds for a call on both sides: executions of new keys, then replays of these.
async fn compare(synchronous: SqliteSynchronous, tasks: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("plain.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(60))
        .synchronous(synchronous);
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options.clone()).await?;
    sqlx::raw_sql("CREATE TABLE plain (id BLOB PRIMARY KEY, result BLOB)").execute(&pool).await?;
    let store = SqliteStore::builder(folder.path().join("calls.db"))
        .synchronous(synchronous)
        .response_timeout(Duration::from_secs(60))
        .connect()
        .await?;
    for file in ["plain.db", "calls.db"] {
        let mut aside = options.clone().filename(folder.path().join(file)).connect().await?;
        sqlx::raw_sql(GROW).execute(&mut aside).await?;
        aside.close().await?;
    }
    let sides = [Side::Plain(pool), Side::Call(Idempotency::new(store))];
    let calls = if tasks == 1 { 100 } else { 640 };
    let mut took = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 0..ROUNDS as u64 {
        for (side, took) in sides.iter().zip(&mut took) {
            took[0].push(measure(side, round * calls, calls, tasks).await?);
            took[1].push(measure(side, round * calls, calls, tasks).await?);
        }
    }
    for (what, at) in [("execute", 0), ("replay", 1)] {
        let [plain, call] = [median(&mut took[0][at]), median(&mut took[1][at])];
        let ratio = call / plain;
        println!(
            "{synchronous:?}, {tasks} tasks, {what}: {plain:.0} plain, {call:.0} a call, {ratio:.2}"
        );
    }
    Ok(())
}

async fn measure(side: &Side, first: u64, calls: u64, tasks: u64) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let side = side.clone();
        running.spawn(async move {
            for key in (first + task..first + calls).step_by(tasks as usize) {
                side.run(key).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    for done in running.join_all().await {
        done?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / calls as f64)
}

fn median(took: &mut [f64]) -> f64 {
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}
