//! From a request to the last message of what it caused, with each arrow cut at random:
//!
//! ```text
//! request ─▶ shop ─▶ outbox ─▶ relay ─▶ JetStream ─▶ warehouse ─▶ outbox ─▶ relay ─▶ JetStream
//!            one transaction                         one transaction
//! ```
//!
//! Customers send their requests again, processes, the broker and the database are killed with -9, and in the end a table
//! says what each arrow carried. Each order is placed, shipped and told of once. What you would write yourself is in
//! `shop.rs`, `warehouse.rs` and `relay.rs`.
//!
//! Run it with `cargo run -p examples-consumers --bin pipeline`. It starts a PostgreSQL and a NATS server of its own.

mod broker;
mod chance;
mod customers;
mod process;
mod relay;
mod saboteur;
mod shop;
mod table;
mod warehouse;

use std::error::Error as StdError;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use idempotent_core::backends::PostgresStore;
use idempotent_core::outbox::Outbox;
use idempotent_servers::{Nats, Postgres, Server};
use sqlx::{Executor as _, PgPool};
use tokio::time::sleep;

use self::saboteur::{Saboteur, Staff};

pub(crate) type Failure = Box<dyn StdError + Send + Sync>;

const USAGE: &str = "\
Orders that go from a request to the last message while everything on the way is killed.

Usage: pipeline [--requests <NUMBER>] [--seed <NUMBER>]

Options:
  --requests <NUMBER>  how many orders there are [default: 200]
  --seed <NUMBER>      decides who sends a request again, and what is killed when [default: 1]
  --help               print this

It ends with 1 if a row of its table does not add up.";

/// How long all may take after the last order: for what is delivered again, and for pauses of the relays.
const PATIENCE: Duration = Duration::from_secs(60);

struct Options {
    requests: u32,
    seed: u64,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self { requests: 200, seed: 1 };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--requests" => options.requests = value.parse()?,
                "--seed" => options.seed = value.parse()?,
                _ => return Err(format!("{word} is no option; --help names them").into()),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["--help"] => {
            println!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        ["shop", database] => shop::serve(database).await,
        ["relay", database, broker] => relay::relay(database, broker).await,
        ["warehouse", database, broker] => warehouse::consume(database, broker).await,
        _ => return run(&Options::parse(arguments.into_iter())?).await,
    };
    // The database or the broker was away when it came up.
    if let Err(error) = ended {
        eprintln!("a process ends, to be started again: {error}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(options: &Options) -> Result<ExitCode, Failure> {
    if Server::Postgres.find().and(Server::Nats.find()).is_none() {
        return Err(
            "it needs PostgreSQL and nats-server; Debian: apt-get install postgresql nats-server"
                .into(),
        );
    }
    let started = Instant::now();
    let postgres = Postgres::builder().arg("max_connections", "200").start().await;
    let nats = Nats::start().await;
    let (shop_url, shop) = database(&postgres, "shop", shop::TABLES).await?;
    let (warehouse_url, warehouse) = database(&postgres, "warehouse", warehouse::TABLES).await?;
    let context = broker::connect(&nats.url()).await?;
    let consumer = broker::prepare(&context).await?;

    let mut staff = Staff::start(&shop_url, &warehouse_url, &nats.url())?;
    let mut saboteur = Saboteur::new(options.requests, options.seed);
    let (requests, seed, shops) = (options.requests, options.seed, staff.shops.clone());
    let ordering = tokio::spawn(async move { customers::order_all(requests, seed, &shops).await });
    let pipeline = Pipeline { shop, warehouse, consumer };
    let mut ordered_at = None;
    while !(ordering.is_finished() && pipeline.is_empty(requests).await) {
        staff.revive()?;
        saboteur.strike(pipeline.shipped().await, &mut staff, (&postgres, &nats)).await?;
        if ordering.is_finished()
            && ordered_at.get_or_insert_with(Instant::now).elapsed() > PATIENCE
        {
            println!("something is stuck");
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let tally = ordering.await??;
    let said = staff.warehouses.clone();
    staff.stop()?;

    let Pipeline { shop, warehouse, .. } = pipeline;
    let table = table::count(requests, &tally, &said, (&shop, &warehouse), &context).await?;
    let kills: u32 = saboteur.kills.iter().map(|(_, times)| times).sum();
    let seconds = started.elapsed().as_secs_f32();
    println!("\n{requests} orders, seed {seed}, {kills} kills, {seconds:.1} seconds");
    let adds_up = table.print();
    println!("\n{}", if adds_up { "It adds up." } else { "It does NOT add up." });
    Ok(if adds_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A database with these tables and those of the store.
async fn database(
    server: &Postgres,
    name: &str,
    tables: &str,
) -> Result<(String, PgPool), Failure> {
    let admin = PgPool::connect(&server.url()).await?;
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    let url = server.url();
    let (server, _) = url.rsplit_once('/').ok_or("the database's URL has no path")?;
    let url = format!("{server}/{name}");
    let pool = PgPool::connect(&url).await?;
    drop(PostgresStore::connect(pool.clone()).await?);
    pool.execute(sqlx::AssertSqlSafe(tables.to_owned())).await?;
    Ok((url, pool))
}

/// Where it is looked how far everything is.
struct Pipeline {
    shop: PgPool,
    warehouse: PgPool,
    consumer: PullConsumer,
}

impl Pipeline {
    /// How many shipments there are; 0 while the database is away.
    async fn shipped(&self) -> u64 {
        let shipped = sqlx::query_scalar("SELECT count(*) FROM shipments");
        let shipped: i64 = shipped.fetch_one(&self.warehouse).await.unwrap_or_default();
        shipped.unsigned_abs()
    }

    /// Whether all is shipped, and nothing is on its way any more.
    async fn is_empty(&self, requests: u32) -> bool {
        self.shipped().await >= u64::from(requests)
            && is_published(&self.shop).await
            && is_published(&self.warehouse).await
            && self.is_settled().await
    }

    async fn is_settled(&self) -> bool {
        let info = self.consumer.get_info().await;
        info.is_ok_and(|info| (info.num_pending, info.num_ack_pending) == (0, 0))
    }
}

async fn is_published(pool: &PgPool) -> bool {
    Outbox::new(pool.clone()).backlog().await.is_ok_and(|backlog| backlog.pending == 0)
}
