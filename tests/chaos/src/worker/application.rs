//! The application around a worker's operations: it has a pool of connections, on which or beside which
//! the worker's store is, and uses it as applications do that do not know better.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use idempotent_core::backends::retry_transaction;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Database, PgPool, Pool, Row as _, SqlStr, SqlitePool};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};

use crate::ledger::Disturbance;
use crate::row::WorkerFault;

/// What applications that share a small server have.
const CONNECTIONS: u32 = 4;

/// Longer than the store waits for a connection.
const ACQUIRED_WITHIN: Duration = Duration::from_secs(5);

/// How many requests hang up at once.
const CALLERS: u64 = 4;

/// The application of a worker, by its pool.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    /// It has no database.
    WithoutPool,
    /// The store takes its connections from this pool.
    Postgres(PgPool),
    /// The store has connections of its own to the file of this pool.
    Sqlite(SqlitePool),
}

/// The pool of an application on `PostgreSQL`.
pub(super) fn postgres_pool(url: &str) -> Result<PgPool> {
    Ok(options().connect_lazy(url)?)
}

/// The pool of an application on `SQLite`.
pub(super) fn sqlite_pool(path: &Path) -> SqlitePool {
    let file = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // The machine stays up, and what a process wrote stays when it dies.
        .synchronous(SqliteSynchronous::Normal);
    options().connect_lazy_with(file)
}

fn options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRED_WITHIN)
}

impl Application {
    /// Does this for so long.
    pub(super) async fn disturb(
        self,
        fault: WorkerFault,
        lasts: Duration,
        seed: u64,
    ) -> Disturbance {
        match (self, fault) {
            (Self::Postgres(pool), WorkerFault::CancelBegins) => {
                let hang_up = move |random| hang_up_on_postgres(pool.clone(), random);
                cancel_begins(hang_up, lasts, seed).await
            }
            (Self::Sqlite(pool), WorkerFault::CancelBegins) => {
                let hang_up = move |random| hang_up_on_sqlite(pool.clone(), random);
                cancel_begins(hang_up, lasts, seed).await
            }
            (Self::Postgres(pool), WorkerFault::ExhaustPool) => exhaust(&pool, lasts).await,
            (Self::Sqlite(pool), WorkerFault::ExhaustPool) => exhaust(&pool, lasts).await,
            _ => Disturbance::default(),
        }
    }
}

/// Requests whose clients leave, several at a time, one after the other.
async fn cancel_begins<F>(
    hang_up: impl Fn(fastrand::Rng) -> F,
    lasts: Duration,
    seed: u64,
) -> Disturbance
where
    F: Future<Output = Disturbance> + Send + 'static,
{
    let until = Instant::now() + lasts;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sum = Disturbance::default();
    while Instant::now() < until {
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(hang_up(random.fork()));
        }
        for one in callers.join_all().await {
            sum.add(one);
        }
        sleep(Duration::from_millis(random.u64(1..20))).await;
    }
    sum
}

async fn hang_up_on_postgres(pool: PgPool, mut random: fastrand::Rng) -> Disturbance {
    let is_cancelled = if random.f64() < 0.3 {
        let transaction = retry_transaction(&pool, async |mut tx| {
            let slept = sqlx::query("SELECT pg_sleep(0.001)").execute(&mut *tx).await;
            (tx, slept.map(|_| ()))
        });
        is_cut_short(transaction, &mut random).await
    } else {
        is_begin_cut_short(&pool, SqlStr::from_static("BEGIN"), &mut random).await
    };
    let is_left_open = is_within_transaction(&pool).await.unwrap_or(false);
    Disturbance {
        cancelled: u64::from(is_cancelled),
        left_open: u64::from(is_left_open),
        ..Disturbance::default()
    }
}

async fn hang_up_on_sqlite(pool: SqlitePool, mut random: fastrand::Rng) -> Disturbance {
    // One of the two waits for the writers of other processes.
    let begin = if random.bool() { "BEGIN" } else { "BEGIN IMMEDIATE" };
    let is_cancelled = is_begin_cut_short(&pool, SqlStr::from_static(begin), &mut random).await;
    Disturbance { cancelled: u64::from(is_cancelled), ..Disturbance::default() }
}

/// What `pool.begin()` does, dropped only once it has a connection: not before there is something to leave
/// behind.
async fn is_begin_cut_short<DB: Database>(
    pool: &Pool<DB>,
    begin: SqlStr,
    random: &mut fastrand::Rng,
) -> bool {
    let Ok(mut connection) = pool.acquire().await else { return false };
    is_cut_short(connection.begin_with(begin), random).await
}

/// Drops the work after a moment, and tells whether it had not ended.
async fn is_cut_short<T>(work: impl Future<Output = T>, random: &mut fastrand::Rng) -> bool {
    let (polls, millis) = (random.u32(1..30), random.u64(1..4));
    let by_time = random.f64() < 0.3;
    let patience = async {
        if by_time {
            sleep(Duration::from_millis(millis)).await;
        } else {
            for _ in 0..polls {
                yield_now().await;
            }
        }
    };
    tokio::select! {
        biased;
        _ = work => false,
        () = patience => true,
    }
}

/// Whether the next connection of the pool is within a transaction, which stays so.
async fn is_within_transaction(pool: &PgPool) -> Result<bool> {
    let mut connection = pool.acquire().await?;
    // Both are the time of a message that came alone, unless a transaction began before it.
    let sql = "SELECT transaction_timestamp() <> statement_timestamp()";
    Ok(sqlx::raw_sql(sql).fetch_one(&mut *connection).await?.try_get(0)?)
}

/// Holds every connection, each in a transaction.
async fn exhaust<DB: Database>(pool: &Pool<DB>, lasts: Duration) -> Disturbance {
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.extend(pool.begin().await);
    }
    sleep(lasts).await;
    Disturbance { held: held.len() as u64, ..Disturbance::default() }
}
