//! A shop whose orders are paid in PostgreSQL and billed by way of NATS: each message is published in
//! the transaction that it is about, two relays take it to the broker, and a consumer acts once on each,
//! although a relay and the broker are killed on the way.
//!
//! Run it with `cargo run -p examples-transactions --bin outbox`. It starts a PostgreSQL and a NATS
//! server of its own, or uses those that `DATABASE_URL` and `NATS_URL` name; there it leaves the schema
//! `idempotent` behind.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::pending;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context, stream};
use futures::StreamExt as _;
use idempotent_core::backends::PostgresStore;
use idempotent_core::outbox::nats::{JetStream, received};
use idempotent_core::outbox::{self, Message, Outbox, Relay};
use idempotent_core::{Error, Idempotency, idempotent};
use idempotent_servers::{Nats, Postgres, Server};
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::time::sleep;

const CUSTOMERS: i32 = 20;
const ORDERS: i32 = 600;

type Failure = Box<dyn StdError + Send + Sync>;

// The service.

/// Pays an order, and says so to whom it may concern: if the transaction commits, and only then.
///
/// Its messages are ordered by customer.
async fn pay(pool: &PgPool, order: i32) -> Result<bool, Failure> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO paid (number) VALUES ($1)").bind(order).execute(&mut *tx).await?;
    let customer = format!("customer-{}", order % CUSTOMERS);
    outbox::publish(&mut tx, "orders.paid", &customer, order.to_string()).await?;
    let card_is_declined = order % 10 == 3;
    if card_is_declined {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(!card_is_declined)
}

// A relay. It may run within the service or beside it, as many of them as you like.

async fn relay(database: &str, broker: &str) -> Result<Relay, Failure> {
    let outbox = Outbox::new(PgPool::connect(database).await?);
    let broker = JetStream::new(connect(broker).await?);
    Ok(Relay::new(outbox, broker).deadline(Duration::from_secs(1)))
}

// The consumer.

/// Bills what was paid. A message that comes again has the same id: it is the same call.
#[idempotent(key = message.id, name = "billing::on_paid", guarantee = at_least_once)]
async fn on_paid(message: Message, books: &Books) -> Result<(), Error> {
    books.bill(&message);
    Ok(())
}

/// Consumes until somebody is satisfied. Of ten acknowledgements one is lost.
async fn consume(broker: &str, books: &Books) -> Result<(), Failure> {
    let context = connect(broker).await?;
    loop {
        let consumer: PullConsumer = match context.get_consumer_from_stream(BILLING, STREAM).await {
            Ok(consumer) => consumer,
            // The broker is away.
            Err(_) => continue,
        };
        let mut messages =
            consumer.stream().heartbeat(Duration::from_millis(500)).messages().await?;
        while let Some(Ok(delivery)) = messages.next().await {
            let message = received(&delivery).ok_or("what no relay published")?;
            on_paid(message, books).await?;
            if !books.note_delivery().is_multiple_of(10) {
                delivery.ack().await?;
            }
        }
    }
}

// What this program shows of them.

const STREAM: &str = "OUTBOX_EXAMPLE";
const BILLING: &str = "billing";

/// What was billed: the orders of each customer, one after the other.
#[derive(Default)]
struct Books {
    billed: Mutex<BTreeMap<String, Vec<i32>>>,
    deliveries: AtomicU32,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, database, broker] = &arguments[..] {
        assert_eq!(role, "relay", "this example's own first argument");
        relay(database, broker).await?.run(pending()).await;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(servers) = Servers::find().await else {
        eprintln!(
            "There is no PostgreSQL or no nats-server here. Install them (Debian: apt-get install \
             postgresql nats-server), or set DATABASE_URL and NATS_URL to some that run."
        );
        return Ok(ExitCode::FAILURE);
    };
    let pool = prepare(&servers).await?;
    let books = Books::default();
    let paid = tokio::select! {
        paid = shop(&servers, &pool, &books) => paid?,
        consumed = consume(&servers.broker, &books) => return consumed.map(|()| ExitCode::FAILURE),
    };
    Ok(books.print(&paid))
}

/// Takes the orders while a relay and the broker are killed, and waits until all is billed.
async fn shop(servers: &Servers, pool: &PgPool, books: &Books) -> Result<Vec<i32>, Failure> {
    let (stop, stopped) = oneshot::channel::<()>();
    let ours = relay(&servers.database, &servers.broker).await?;
    let ours = tokio::spawn(ours.run(async { drop(stopped.await) }));
    let mut other = Child::relay(servers)?;
    let mut paid = Vec::new();
    for order in 0..ORDERS {
        if pay(pool, order).await? {
            paid.push(order);
        }
        if order == ORDERS / 3 {
            other = Child::relay(servers)?;
            println!("at order {order} a relay was killed with -9, and another one started");
        }
        if order == ORDERS / 2 && servers.restart_broker().await {
            println!("at order {order} the broker was killed with -9, and started again");
        }
    }
    while books.orders().len() < paid.len() {
        sleep(Duration::from_millis(20)).await;
    }
    // At shutdown: what is on its way is awaited, and nothing else begins.
    drop((other, stop));
    ours.await?;
    Ok(paid)
}

impl Books {
    fn bill(&self, message: &Message) {
        let order = String::from_utf8_lossy(&message.payload).parse::<i32>();
        let mut billed = self.billed.lock().unwrap_or_else(PoisonError::into_inner);
        billed.entry(message.key.clone()).or_default().extend(order);
    }

    fn note_delivery(&self) -> u32 {
        self.deliveries.fetch_add(1, Ordering::Relaxed)
    }

    fn orders(&self) -> Vec<i32> {
        let billed = self.billed.lock().unwrap_or_else(PoisonError::into_inner);
        billed.values().flatten().copied().collect()
    }

    fn print(&self, paid: &[i32]) -> ExitCode {
        let mut orders = self.orders();
        orders.sort_unstable();
        let billed = self.billed.lock().unwrap_or_else(PoisonError::into_inner);
        let in_order = billed.values().all(|orders| orders.is_sorted());
        println!("{:<22}{ORDERS:>6}", "orders");
        println!("{:<22}{:>6}", "committed", paid.len());
        println!("{:<22}{:>6}", "deliveries", self.deliveries.load(Ordering::Relaxed));
        println!("{:<22}{:>6}", "billed", orders.len());
        println!("{:<22}{:>6}", "in order per customer", if in_order { "yes" } else { "no" });
        let kept = orders == paid && in_order;
        println!("\n{}", if kept { "Each was billed once, in order." } else { "BROKEN" });
        if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The database and the broker: our own, or those that were named.
struct Servers {
    database: String,
    broker: String,
    _postgres: Option<Postgres>,
    nats: Option<Nats>,
}

impl Servers {
    async fn find() -> Option<Self> {
        let named = std::env::var("DATABASE_URL").ok().zip(std::env::var("NATS_URL").ok());
        if let Some((database, broker)) = named {
            return Some(Self { database, broker, _postgres: None, nats: None });
        }
        Server::Postgres.find().and(Server::Nats.find())?;
        let (postgres, nats) = (Postgres::start().await, Nats::start().await);
        let (database, broker) = (postgres.url(), nats.url());
        Some(Self { database, broker, _postgres: Some(postgres), nats: Some(nats) })
    }

    /// Kills only what is ours.
    async fn restart_broker(&self) -> bool {
        match &self.nats {
            Some(nats) => {
                nats.restart().await;
                true
            }
            None => false,
        }
    }
}

/// Makes the tables, the stream and its consumer, and installs the engine.
async fn prepare(servers: &Servers) -> Result<PgPool, Failure> {
    let pool = PgPool::connect(&servers.database).await?;
    let store = PostgresStore::connect(pool.clone()).await?;
    idempotent_core::install(Idempotency::new(store))?;
    sqlx::raw_sql("DROP TABLE IF EXISTS paid; CREATE TABLE paid (number int PRIMARY KEY)")
        .execute(&pool)
        .await?;
    let context = connect(&servers.broker).await?;
    drop(context.delete_stream(STREAM).await);
    let orders = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..stream::Config::default()
    };
    let billing = pull::Config {
        durable_name: Some(BILLING.to_owned()),
        ack_wait: Duration::from_secs(1),
        ..pull::Config::default()
    };
    context.create_stream(orders).await?.create_consumer(billing).await?;
    Ok(pool)
}

/// A connection that comes back soon after the broker does.
async fn connect(broker: &str) -> Result<Context, Failure> {
    let soon = |_| Duration::from_millis(50);
    let options = async_nats::ConnectOptions::new().reconnect_delay_callback(soon);
    Ok(jetstream::new(options.connect(broker).await?))
}

/// A relay in a process of its own, this same program, which is killed when it is dropped.
struct Child(std::process::Child);

impl Child {
    fn relay(servers: &Servers) -> Result<Self, Failure> {
        let arguments = ["relay", &servers.database, &servers.broker];
        Ok(Self(Command::new(std::env::current_exe()?).args(arguments).spawn()?))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}
