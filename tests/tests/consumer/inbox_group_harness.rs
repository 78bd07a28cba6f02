//! A group of messages on PostgreSQL whose handlers do what a test says: each one adds its row, and then some do something else.

use std::collections::BTreeMap;
use std::pin::Pin;

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, InboxPool, InboxTransaction};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::Postgres as PostgresServer;
use idempotent_tests::secs;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres};

use crate::effects::{Effects, Ends, Running, attempts};
use crate::gate::Gate;

pub(crate) type Tx = InboxTransaction<Postgres>;
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// What a handler does after it has added its row.
pub(crate) type Behaviour =
    fn(String, Tx) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(crate) const GROUPS: usize = <PgPool as InboxPool>::GROUPS;

pub(crate) async fn effect(tx: &mut Tx, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO effects VALUES ($1)").bind(id).execute(&mut ***tx).await.map(drop)
}

/// How often each message has had its effect, without the gates.
pub(crate) async fn effects(pool: &PgPool) -> BTreeMap<String, i64> {
    let all = "SELECT id, count(*) FROM effects WHERE id NOT LIKE 'gate%' GROUP BY id";
    sqlx::query_as(all).fetch_all(pool).await.unwrap().into_iter().collect()
}

pub(crate) fn once<const N: usize>(ids: [&str; N]) -> BTreeMap<String, i64> {
    ids.map(|id| (id.to_owned(), 1)).into()
}

/// What has become of a group.
pub(crate) struct Handled {
    pub(crate) effects: BTreeMap<String, i64>,
    pub(crate) runs: Effects,
    pub(crate) ends: Ends,
    /// The ids of the messages that were parked, in their order.
    pub(crate) parked: Vec<String>,
}

impl Handled {
    /// How the deliveries of a message have ended.
    pub(crate) fn of(&self, id: &str) -> Vec<DeliveryOutcome> {
        let all = self.ends.all().into_iter().filter(|(known, ..)| known == id);
        all.map(|(_, outcome, _)| outcome).collect()
    }
}

/// Handles these messages as one group, with two attempts each.
pub(crate) async fn handle_as_a_group(
    shop: (&Idempotency, &PgPool),
    ids: &[&str],
    behaviour: Behaviour,
) -> Handled {
    handle_in("shop.ship", shop, ids, behaviour).await
}

/// The same in a consumer with this name.
pub(crate) async fn handle_in(
    consumer: &'static str,
    (engine, pool): (&Idempotency, &PgPool),
    ids: &[&str],
    behaviour: Behaviour,
) -> Handled {
    let (broker, gate) = (TestBroker::new(), Gate::new());
    let (ends, runs) = (Ends::default(), Effects::default());
    let (own_gate, ran) = (gate.clone(), runs.clone());
    let builder = Consumer::builder(consumer, engine).attempts(attempts(2)).concurrency(64);
    let consumer = ends.watch(gate.watch(builder)).within(pool.clone()).group(50).handler(
        move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            ran.add(&id);
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                behaviour(id, tx).await
            }
        },
    );
    gate.publish_behind::<PgPool>(&broker, ids).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(ids.len()).await;
    let settled = broker.until_settled(ids.len() + GROUPS);
    tokio::time::timeout(secs(60), settled).await.expect("each is settled");
    running.stop().await.unwrap();
    let parked = broker.parked().iter().map(|it| it.message.id().to_owned()).collect();
    Handled { effects: effects(pool).await, runs, ends, parked }
}

/// A server that logs what the inbox sends it, and the pool of its transactions.
pub(crate) async fn logged(connections: u32) -> (PostgresServer, Idempotency, PgPool) {
    let server = PostgresServer::builder()
        .arg("log_statement", "all")
        .arg("log_parameter_max_length", "0")
        .arg("log_line_prefix", "%a %p ");
    let server = server.start().await;
    let store = PostgresStore::builder(PgPool::connect(&server.url()).await.unwrap())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let options: PgConnectOptions = server.url().parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(connections);
    let pool = pool.connect_with(options.application_name("inbox")).await.unwrap();
    sqlx::query("CREATE TABLE effects (id text NOT NULL)").execute(&pool).await.unwrap();
    (server, Idempotency::new(store), pool)
}

/// The first words of the messages of each of the inbox's transactions that the end of the log has, behind the `BEGIN`.
pub(crate) fn transactions(server: &PostgresServer) -> Vec<String> {
    let mut by_process = BTreeMap::<String, String>::new();
    let log = server.log();
    let own = log.lines().filter_map(|line| line.strip_prefix("inbox ")?.split_once(" LOG:  "));
    for (process, text) in own {
        let statement = text.split_once(": ").map_or("", |(_, statement)| statement);
        let word = statement.split([' ', ';', '\n']).next().unwrap_or_default();
        let words = by_process.entry(process.to_owned()).or_default();
        words.push_str(word);
        words.push(' ');
    }
    let words = by_process.values().flat_map(|words| words.split("BEGIN ").skip(1));
    words.map(|words| words.trim_end().to_owned()).collect()
}
