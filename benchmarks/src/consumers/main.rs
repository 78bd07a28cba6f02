//! What a message costs in a consumer whose handler runs within a transaction, beside the same transaction by hand; and in
//! one that reads a real broker, beside a bare consumer of the same client (`brokers`).
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin consumers [inbox|brokers]
//! ```
//!
//! The inbox: PostgreSQL 15 with `fsync` on, since what a group shares is a commit. All sides take turns within one run against one
//! server. Each handles so many messages of 1 kB, 64 at once, over a pool of 20 connections with the same settings: by hand from a
//! counter in memory, the consumers from the broker in memory of `testing`, of which each delivery and acknowledgement is
//! part of the time. Each message adds one row. A figure is the median over the rounds, and a ratio the median of the rounds' own
//! ratios, with its quartiles. Beside it stands what a message takes of the processors and of the write-ahead log.

mod brokers;
mod by_hand;
mod cost;
mod inbox;

use std::error::Error;
use std::time::Instant;

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_servers::Postgres;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use cost::Cost;

const ROUNDS: usize = 11;
const MESSAGES: usize = 2_048;
const CONCURRENCY: usize = 64;
const CONNECTIONS: u32 = 20;
const BYTES: usize = 1_024;

type Failure = Box<dyn Error + Send + Sync>;

const TABLES: &str = "
    CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bytes bigint NOT NULL);
    CREATE TABLE inbox (id text PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE inbox_with_results (
        id text PRIMARY KEY, expires_at timestamptz NOT NULL, fingerprint bytea NOT NULL, result bytea);
    CREATE INDEX ON inbox_with_results (expires_at)";

/// What all sides do for a message.
async fn book(connection: &mut sqlx::PgConnection, bytes: usize) -> sqlx::Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let order = sqlx::query("INSERT INTO orders (bytes) VALUES ($1)").bind(bytes);
    order.execute(connection).await.map(drop)
}

/// The name of a message that no other turn has.
fn id(turn: usize, message: usize) -> String {
    format!("message-{turn:04}-{message:08}")
}

#[derive(Clone, Copy)]
enum Side {
    /// A record with its result, as the inbox keeps it.
    ByHand,
    /// The id, and nothing else.
    IdsByHand,
    Inbox,
    Group(usize),
}

const SIDES: [(&str, Side); 5] = [
    ("by hand", Side::ByHand),
    ("by hand, ids only", Side::IdsByHand),
    ("inbox", Side::Inbox),
    ("inbox, group(10)", Side::Group(10)),
    ("inbox, group(50)", Side::Group(50)),
];

async fn turn(
    side: Side,
    pool: &PgPool,
    engine: &Idempotency,
    turn: usize,
) -> Result<f64, Failure> {
    let ids = (0..MESSAGES).map(|message| id(turn, message)).collect();
    let start = Instant::now();
    match side {
        Side::ByHand => by_hand::handle(pool, ids, true).await?,
        Side::IdsByHand => by_hand::handle(pool, ids, false).await?,
        Side::Inbox => inbox::handle(pool, engine, ids, 1).await?,
        Side::Group(messages) => inbox::handle(pool, engine, ids, messages).await?,
    }
    Ok(MESSAGES as f64 / start.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["brokers"] => brokers::measure().await,
        ["inbox"] => inboxes().await,
        [] => {
            inboxes().await?;
            brokers::measure().await
        }
        _ => Err("the parts are `inbox` and `brokers`".into()),
    }
}

async fn inboxes() -> Result<(), Failure> {
    let server = Postgres::builder().fsync(true).start().await;
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let pool = options.connect(&server.url()).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    let engine = Idempotency::new(PostgresStore::connect(pool.clone()).await?);
    let (mut turns, mut rates) = (0, vec![Vec::new(); SIDES.len()]);
    let mut costs = [Cost::NONE; SIDES.len()];
    for round in 0..=ROUNDS {
        for place in 0..SIDES.len() {
            let side = (place + round) % SIDES.len();
            turns += 1;
            let before = Cost::so_far(&server, &pool).await?;
            let rate = turn(SIDES[side].1, &pool, &engine, turns).await?;
            let after = Cost::so_far(&server, &pool).await?;
            // The first round warms up.
            if round > 0 {
                rates[side].push(rate);
                costs[side].add(before, after);
            }
        }
    }
    let booked: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&pool).await?;
    assert_eq!(booked as usize, MESSAGES * turns, "each message is booked once");
    println!(
        "messages a second, {CONCURRENCY} at once, {CONNECTIONS} connections, {ROUNDS} rounds"
    );
    println!(
        "then a message's processor time of client and server in microseconds, and its log in bytes"
    );
    let messages = (ROUNDS * MESSAGES) as f64;
    for (((name, _), own), cost) in SIDES.iter().zip(&rates).zip(&costs) {
        let ratios = own.iter().zip(&rates[0]).map(|(own, by_hand)| own / by_hand);
        let [low, middle, high] = quartiles(ratios.collect());
        let [_, rate, _] = quartiles(own.clone());
        let [client, server, log] = [cost.client, cost.server, cost.log].map(|it| it / messages);
        println!(
            "  {name:20} {rate:>7.0}   {middle:.2} x ({low:.2} to {high:.2})   {client:>5.0} {server:>5.0} {log:>6.0}"
        );
    }
    Ok(())
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
