//! Settings of the role or the database that reach into a relay's transactions.

use idempotent_core::backends::PostgresStore;
use idempotent_core::outbox::Outbox;
use idempotent_servers::{Postgres, PostgresVersion, require};
use idempotent_tests::millis;

use crate::broker::{Broker, Fault};
use crate::database::{Running, brisk, numbers, pool};

/// Shorter than publishing takes; and from which version on they are known.
const SETTINGS: [(&str, &str, PostgresVersion); 7] = [
    ("statement_timeout", "'200ms'", PostgresVersion::Distribution),
    ("lock_timeout", "'200ms'", PostgresVersion::Distribution),
    ("idle_in_transaction_session_timeout", "'200ms'", PostgresVersion::Distribution),
    ("transaction_timeout", "'200ms'", PostgresVersion::V18),
    ("default_transaction_isolation", "serializable", PostgresVersion::Distribution),
    ("default_transaction_read_only", "on", PostgresVersion::Distribution),
    ("search_path", "hostile, pg_catalog", PostgresVersion::Distribution),
];

const HOSTILE: &str = "CREATE SCHEMA hostile;
    CREATE FUNCTION hostile.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT timestamptz '2000-01-01' $$";

struct Slow(Broker);

#[idempotent_core::async_trait]
impl idempotent_core::outbox::Publish for Slow {
    async fn publish(
        &self,
        message: &idempotent_core::outbox::Message,
    ) -> Result<(), idempotent_core::outbox::PublishError> {
        tokio::time::sleep(millis(600)).await;
        self.0.publish(message).await
    }
}

async fn server(version: PostgresVersion) -> Postgres {
    let server = Postgres::builder().version(version).start().await;
    let store = PostgresStore::builder(server.url()).response_timeout(idempotent_tests::SOON);
    store.connect().await.unwrap().close().await;
    server.sql(HOSTILE).await;
    server
}

async fn publish(server: &Postgres, key: &str) {
    let publish = "SELECT idempotent.records_publish(gen_random_uuid(), 'orders.paid',";
    server.sql(&format!("{publish} '{key}', '1')")).await;
}

async fn pending(server: &Postgres) -> Option<String> {
    let waiting = "SELECT count(*) FROM idempotent.records_outbox WHERE parked_at IS NULL";
    server.sql(waiting).await[0][0].clone()
}

#[tokio::test]
async fn no_setting_of_the_role_ends_a_relays_transaction_between_publishing_and_settling() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in [PostgresVersion::Distribution, PostgresVersion::V18] {
        let server = server(version).await;
        server.sql("CREATE ROLE shop LOGIN SUPERUSER").await;
        for (setting, value, since) in SETTINGS {
            if since == PostgresVersion::V18 && version != since {
                continue;
            }
            server
                .sql(&format!("ALTER ROLE shop RESET ALL; ALTER ROLE shop SET {setting} = {value}"))
                .await;
            publish(&server, setting).await;
            let broker = Broker::new();
            let outbox = Outbox::new(pool(&server.url().replace("postgres@", "shop@")).await);
            let pass = brisk(outbox, Slow(broker.clone())).pass().await;
            let pass = pass.unwrap_or_else(|error| panic!("{setting}: {error:?}"));
            assert_eq!((pass.delivered, broker.of(setting)), (1, numbers(1)), "{setting}");
            assert_eq!(pending(&server).await.as_deref(), Some("0"), "{setting}");
        }
    }
}

/// Ends the transactions of relays that publish what they have just read.
const PUBLISHING: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'idle in transaction' AND query LIKE '%AS waiting%'";

/// Whatever it is that ends each transaction of a relay while it publishes.
#[tokio::test]
async fn outcomes_are_recorded_although_the_transaction_was_ended_while_publishing() {
    require!(PostgresVersion::Distribution.server());
    let server = server(PostgresVersion::Distribution).await;
    publish(&server, "good").await;
    publish(&server, "bad").await;
    let broker = Broker::that(|message| (message.key == "bad").then_some(Fault::Refused));
    let relay = brisk(Outbox::new(pool(&server.url()).await), Slow(broker.clone())).park_after(2);
    let running = Running::start(relay);
    let ended = async {
        loop {
            server.sql(PUBLISHING).await;
            tokio::time::sleep(millis(20)).await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = idempotent_tests::until(|| async { pending(&server).await.as_deref() == Some("0") }) => {}
    }
    running.stop().await;
    assert_eq!(broker.of("good"), numbers(1), "delivered once");
    assert_eq!(broker.attempts().len(), 3, "parked after two attempts");
}

/// Some servers are told so that they are no longer the primary.
#[tokio::test]
async fn a_relay_publishes_nothing_from_a_server_that_is_set_to_refuse_writes() {
    require!(PostgresVersion::Distribution.server());
    let server = server(PostgresVersion::Distribution).await;
    publish(&server, "order-1").await;
    let outbox = Outbox::new(pool(&server.url()).await);
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on").await;
    server.sql("SELECT pg_reload_conf()").await;
    let setting = "SHOW default_transaction_read_only";
    idempotent_tests::until(|| async { server.sql(setting).await[0][0].as_deref() == Some("on") })
        .await;
    let broker = Broker::new();
    let relay = brisk(outbox, broker.clone());
    relay.pass().await.unwrap_err();
    assert!(broker.attempts().is_empty());
    server.sql("ALTER SYSTEM RESET default_transaction_read_only").await;
    server.sql("SELECT pg_reload_conf()").await;
    idempotent_tests::until(|| async { relay.pass().await.is_ok_and(|pass| pass.delivered == 1) })
        .await;
}
