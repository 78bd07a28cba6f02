//! A shop that publishes what its customers pay, relays in processes of their own, and consumers; and a
//! ledger of what was committed and of what followed from it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::pending;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::Config;
use futures::StreamExt;
use idempotent_core::backends::PostgresStore;
use idempotent_core::outbox::nats::{JetStream, received};
use idempotent_core::outbox::{self, Message, Outbox};
use idempotent_core::{Idempotency, idempotent};
use idempotent_servers::{Nats, Program};
use idempotent_tests::millis;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};

use crate::database::{Database, TOPIC, brisk};
use crate::nats::{STREAM, context, orders, stored};

/// The environment variable with a relay's port, database and broker.
const VARIABLE: &str = "IDEMPOTENT_TESTS_OUTBOX_RELAY";
/// The test that is the relay, when the variable is set.
const TEST: &str = "shop::relays_when_another_test_starts_it";
const KEYS: u64 = 8;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) nats: Nats,
    pub(crate) relays: Vec<Program>,
    engine: Idempotency,
}

/// What came of it all.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The ids of each key's messages, in the order of their commits.
    pub(crate) committed: HashMap<String, Vec<String>>,
    /// The ids of each key's messages, in the order in which the stream has them.
    pub(crate) delivered: HashMap<String, Vec<String>>,
    /// How often a consumer acted on each id.
    pub(crate) effects: HashMap<String, u32>,
}

/// Numbers from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % bound
    }
}

impl Shop {
    pub(crate) async fn open(relays: usize) -> Self {
        let (database, nats) = tokio::join!(Database::alone(), Nats::start());
        database
            .server
            .sql(
                "CREATE TABLE counters (key text PRIMARY KEY, n int NOT NULL);
             CREATE TABLE committed (id uuid PRIMARY KEY, key text NOT NULL, n int NOT NULL);
                 CREATE TABLE effects (id uuid NOT NULL)",
            )
            .await;
        let fill = format!(
            "INSERT INTO counters SELECT 'order-' || i, 0 FROM generate_series(1, {KEYS}) i"
        );
        database.server.sql(&fill).await;
        let store = PostgresStore::builder(database.pool.clone());
        let store = store.response_timeout(Duration::from_secs(10)).connect().await.unwrap();
        // So short that a relay which died or did not hear of it delivers again.
        let config = orders(Config { duplicate_window: millis(100), ..Config::default() });
        let stream = context(&nats.url()).await.create_stream(config).await.unwrap();
        let config = pull::Config {
            durable_name: Some("billing".to_owned()),
            ack_wait: millis(500),
            // No more than are worked off in that time, or all of them come again for ever.
            max_ack_pending: 20,
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.unwrap();
        let engine = Idempotency::new(store);
        let mut shop = Self { database, nats, relays: Vec::new(), engine };
        for _ in 0..relays {
            let relay = Program::start(|port| shop.relay(port)).await;
            shop.relays.push(relay);
        }
        shop
    }

    fn relay(&self, port: u16) -> Vec<OsString> {
        let settings =
            format!("{VARIABLE}={port} {} {}", self.database.server.url(), self.nats.url());
        let program = std::env::current_exe().unwrap();
        let mut command: Vec<OsString> = vec!["env".into(), settings.into(), program.into()];
        command.extend([TEST, "--exact", "--ignored", "--nocapture"].map(OsString::from));
        command
    }

    /// Publishes for ever, in transactions of which some are taken back, dropped, or dropped half way.
    pub(crate) async fn sell(&self, mut dice: Dice) {
        loop {
            let patience = patience(&mut dice);
            // What fails is a database that was killed; the ledger tells what was committed.
            let _ = tokio::time::timeout(patience, self.pay(&mut dice)).await;
        }
    }

    /// The number within its key is drawn after the message is published, from a row that the
    /// transaction holds: it is the order of commits.
    async fn pay(&self, dice: &mut Dice) -> Result<(), Failure> {
        let key = format!("order-{}", 1 + dice.below(KEYS));
        let mut tx = self.database.pool.begin().await?;
        for _ in 0..=dice.below(3) {
            let id = outbox::publish(&mut tx, TOPIC, &key, "paid").await?;
            let draw = "UPDATE counters SET n = n + 1 WHERE key = $1 RETURNING n";
            let n: i32 = sqlx::query_scalar(draw).bind(&key).fetch_one(&mut *tx).await?;
            let note = sqlx::query("INSERT INTO committed VALUES ($1::uuid, $2, $3)");
            note.bind(id.to_string()).bind(&key).bind(n).execute(&mut *tx).await?;
        }
        match dice.below(8) {
            0 => tx.rollback().await?,
            1 => drop(tx),
            _ => tx.commit().await?,
        }
        Ok(())
    }

    /// Consumes for ever. Some consumers are dropped half way, and some acknowledgements are lost, so that
    /// messages come again.
    pub(crate) async fn consume(&self, mut dice: Dice) {
        let context = context(&self.nats.url()).await;
        loop {
            // What fails is a broker that was killed.
            let _ = self.consume_until_it_fails(&context, &mut dice).await;
            tokio::time::sleep(millis(20)).await;
        }
    }

    async fn consume_until_it_fails(
        &self,
        context: &async_nats::jetstream::Context,
        dice: &mut Dice,
    ) -> Result<(), async_nats::Error> {
        let consumer: PullConsumer = context.get_consumer_from_stream("billing", STREAM).await?;
        let expires = millis(1_000);
        let mut messages =
            consumer.stream().expires(expires).heartbeat(expires / 4).messages().await?;
        while let Some(delivery) = messages.next().await {
            let delivery = delivery?;
            let message = received(&delivery).ok_or("it is no relay's")?;
            let patience = patience(dice);
            let acted = tokio::time::timeout(patience, self.act(message)).await;
            if matches!(acted, Ok(Ok(()))) && dice.below(10) > 0 {
                delivery.ack().await?;
            }
        }
        Ok(())
    }

    async fn act(&self, message: Message) -> Result<(), Failure> {
        let mut tx = self.database.pool.begin().await?;
        on_paid(message, &self.engine, &mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Until all that was committed was delivered and acted upon.
    pub(crate) async fn settle(&self) {
        self.database.drained().await;
        let missing = "SELECT id FROM committed EXCEPT SELECT id FROM effects";
        let (mut least, mut since) = (usize::MAX, Instant::now());
        // What is missing when nothing has come for that long, the outcome says.
        while least > 0 && since.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(millis(50)).await;
            let left = self.database.server.sql(missing).await.len();
            if left < least {
                (least, since) = (left, Instant::now());
            }
        }
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        let mut committed: HashMap<_, Vec<_>> = HashMap::new();
        let ledger = "SELECT key, id::text FROM committed ORDER BY key, n";
        for mut row in self.database.server.sql(ledger).await {
            let (id, key) = (row.pop().flatten().unwrap(), row.pop().flatten().unwrap());
            committed.entry(key).or_default().push(id);
        }
        let context = context(&self.nats.url()).await;
        let stream = context.get_stream(STREAM).await.unwrap();
        let messages = usize::try_from(stream.cached_info().state.messages).unwrap();
        let mut delivered: HashMap<_, Vec<_>> = HashMap::new();
        for message in stored(&context, messages).await {
            delivered.entry(message.key).or_default().push(message.id.to_string());
        }
        let effects = "SELECT id::text, count(*) FROM effects GROUP BY id";
        let effects = self.database.server.sql(effects).await.into_iter().map(|mut row| {
            let (times, id) = (row.pop().flatten().unwrap(), row.pop().flatten().unwrap());
            (id, times.parse().unwrap())
        });
        let effects = effects.collect();
        Outcome { committed, delivered, effects }
    }
}

/// Its effect is a row without a key, of which nothing would refuse a second one.
#[idempotent(
    key = message.id,
    name = "outbox::on_paid",
    guarantee = exactly_once,
    tx = tx,
    engine = engine
)]
async fn on_paid(
    message: Message,
    engine: &Idempotency,
    tx: &mut PgConnection,
) -> Result<(), Failure> {
    let act = sqlx::query("INSERT INTO effects VALUES ($1::uuid)");
    act.bind(message.id.to_string()).execute(tx).await?;
    Ok(())
}

/// Now and then so little that what is awaited is dropped half way.
fn patience(dice: &mut Dice) -> Duration {
    match dice.below(10) {
        0 => Duration::from_micros(dice.below(5_000)),
        _ => Duration::from_secs(10),
    }
}

#[tokio::test]
#[ignore = "it is a relay, which the other test starts"]
async fn relays_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Vec<_> = settings.split(' ').collect();
    let [port, database, broker] = settings[..] else { panic!("{settings:?}") };
    // The database may be away just now.
    let pool: PgPool = PgPoolOptions::new().max_connections(2).connect_lazy(database).unwrap();
    let broker = JetStream::new(context(broker).await);
    let relay = brisk(Outbox::new(pool), broker).deadline(millis(300)).park_after(1);
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    relay.response_timeout(Duration::from_secs(1)).run(pending()).await;
}
