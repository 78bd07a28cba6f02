//! Handlers within a transaction, on both databases: what commits together, and what a rollback means.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idempotent_core::backends::{MemoryStore, PostgresStore, SqliteStore};
use idempotent_core::consumer::{
    self, Consumer, ConsumerBuilder, ConsumerError, DeliveryOutcome, InboxTransaction, Message,
    ParkReason, Verdict,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{Guarantee, Idempotency};
use idempotent_servers::{Postgres as Server, require};
use idempotent_tests::{millis, secs};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};
use tokio::sync::OnceCell;

use crate::effects::{Effects, Ends, Running, attempts, until};

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A database of its own in PostgreSQL, by its URL.
pub(crate) async fn postgres_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(Server::start).await;
    let name = format!("inbox_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.sql(&format!("CREATE DATABASE {name}")).await;
    format!("{}{name}", server.url().trim_end_matches("postgres"))
}

/// Records and effects in one database.
pub(crate) struct Shop<P> {
    pub(crate) engine: Idempotency,
    pub(crate) pool: P,
    _folder: Option<tempfile::TempDir>,
}

const TABLES: &str = "CREATE TABLE effects (id TEXT NOT NULL)";

pub(crate) async fn postgres_shop() -> Shop<PgPool> {
    postgres_shop_in(&postgres_database().await).await
}

pub(crate) async fn postgres_shop_in(database: &str) -> Shop<PgPool> {
    let pool = PgPoolOptions::new().max_connections(16).connect(database).await.unwrap();
    let store = PostgresStore::builder(pool.clone());
    let store = store.connect_with_retry(secs(20)).await.unwrap();
    sqlx::query(TABLES).execute(&pool).await.unwrap();
    Shop { engine: Idempotency::new(store), pool, _folder: None }
}

pub(crate) async fn sqlite_shop() -> Shop<SqlitePool> {
    let folder = tempfile::TempDir::new().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("shop.db"));
    let options = options.create_if_missing(true).busy_timeout(secs(30));
    let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    let store = SqliteStore::connect(pool.clone()).await.unwrap();
    sqlx::query(TABLES).execute(&pool).await.unwrap();
    Shop { engine: Idempotency::new(store), pool, _folder: Some(folder) }
}

/// The rules that hold on every database.
macro_rules! rules_on {
    ($database:ident, $open:ident, $pool:ty, [$($server:path)?]) => {
        use super::*;

        type Tx = InboxTransaction<$database>;
        type Failure = Box<dyn std::error::Error + Send + Sync>;

        async fn effect(tx: &mut Tx, id: &str) -> Result<(), sqlx::Error> {
            let insert = sqlx::query("INSERT INTO effects VALUES ($1)").bind(id);
            insert.execute(&mut ***tx).await.map(drop)
        }

        impl Shop<$pool> {
            /// How many effects there are of this id.
            async fn effects(&self, id: &str) -> i64 {
                let count = sqlx::query_scalar("SELECT count(*) FROM effects WHERE id = $1");
                count.bind(id).fetch_one(&self.pool).await.unwrap()
            }
        }

        fn builder(shop: &Shop<$pool>, max: u32) -> ConsumerBuilder {
            Consumer::builder("shop.ship", &shop.engine).attempts(attempts(max))
        }

        #[tokio::test]
        async fn a_message_takes_effect_once_however_often_it_comes() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let consumer = ends.watch(builder(&shop, 3)).within(shop.pool.clone()).handler(
                |id: String, mut tx: Tx, message: Message| async move {
                    assert_eq!(message.id(), id);
                    effect(&mut tx, &id).await
                },
            );
            for id in ["7", "7", "8"] {
                broker.publish(id, id);
            }
            // Committed, and nobody hears of it.
            broker.lose_verdicts(1);
            consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
            assert_eq!((shop.effects("7").await, shop.effects("8").await), (1, 1));
            assert_eq!(ends.count(DeliveryOutcome::Executed), 2);
            assert!(broker.parked().is_empty());
        }

        #[tokio::test]
        async fn a_worker_that_dies_between_commit_and_acknowledgement_has_its_message_replayed() {
            $(require!($server);)?
            let (shop, broker, ends) =
                ($open().await, TestBroker::with_deadline(secs(2)), Ends::default());
            let handler = |id: String, mut tx: Tx| async move { effect(&mut tx, &id).await };
            let dying = builder(&shop, 3).within(shop.pool.clone()).handler(handler);
            broker.lose_verdicts(usize::MAX);
            broker.publish("7", "7");
            let running = Running::start(&dying, broker.source());
            let committed = async {
                while shop.effects("7").await == 0 {
                    tokio::time::sleep(millis(10)).await;
                }
            };
            tokio::time::timeout(secs(60), committed).await.expect("it is committed");
            running.crash().await;
            broker.lose_verdicts(0);
            let other = ends.watch(builder(&shop, 3)).within(shop.pool.clone()).handler(handler);
            other.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert_eq!(ends.outcomes(), [DeliveryOutcome::Replayed]);
            assert_eq!(shop.effects("7").await, 1);
        }

        #[tokio::test]
        async fn a_handler_that_fails_has_no_effect_and_runs_again() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let runs = Arc::new(AtomicU32::new(0));
            let ran = Arc::clone(&runs);
            let consumer = ends.watch(builder(&shop, 3)).within(shop.pool.clone()).handler(
                move |id: String, mut tx: Tx| {
                    let run = ran.fetch_add(1, Ordering::SeqCst);
                    async move {
                        effect(&mut tx, &id).await?;
                        if run == 0 { Err("the carrier is down".into()) } else { Ok::<_, Failure>(()) }
                    }
                },
            );
            broker.publish("7", "7");
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert_eq!(ends.outcomes(), [DeliveryOutcome::Failed, DeliveryOutcome::Executed]);
            assert_eq!((shop.effects("7").await, runs.load(Ordering::SeqCst)), (1, 2));
        }

        #[tokio::test]
        async fn what_fails_for_good_is_parked_without_an_effect_and_can_be_replayed() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            let runs = Arc::new(AtomicU32::new(0));
            let ran = Arc::clone(&runs);
            let consumer = builder(&shop, 2).within(shop.pool.clone()).handler(
                move |id: String, mut tx: Tx| {
                    let run = ran.fetch_add(1, Ordering::SeqCst);
                    async move {
                        effect(&mut tx, &id).await?;
                        if run < 2 { Err("it is no good".into()) } else { Ok::<_, Failure>(()) }
                    }
                },
            );
            broker.publish("7", "7");
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            let parked = &broker.parked()[0];
            assert_eq!((parked.reason, parked.attempts), (ParkReason::AttemptsUsedUp, 2));
            assert_eq!(parked.error, "it is no good");
            assert_eq!(shop.effects("7").await, 0);
            assert!(broker.replay_parked("7"));
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert_eq!((shop.effects("7").await, runs.load(Ordering::SeqCst)), (1, 3));
        }

        #[tokio::test]
        async fn a_handler_that_panics_or_hangs_has_no_effect() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let builder = ends.watch(builder(&shop, 1)).max_run(secs(3));
            let consumer = builder.within(shop.pool.clone()).handler(
                |id: String, mut tx: Tx| async move {
                    effect(&mut tx, &id).await?;
                    match id.as_str() {
                        "panics" => panic!("as it is told to"),
                        "hangs" => std::future::pending::<()>().await,
                        _ => {}
                    }
                    Ok::<_, Failure>(())
                },
            );
            for id in ["panics", "hangs", "fine"] {
                broker.publish(id, id);
            }
            consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
            for (outcome, times) in [
                (DeliveryOutcome::Panicked, 1),
                (DeliveryOutcome::TimedOut, 1),
                (DeliveryOutcome::Executed, 1),
            ] {
                assert_eq!(ends.count(outcome), times, "{:?}", ends.all());
            }
            let effects = [("panics", 0), ("hangs", 0), ("fine", 1)];
            for (id, times) in effects {
                assert_eq!(shop.effects(id).await, times, "{id}");
            }
        }

        #[tokio::test]
        async fn a_handler_that_ends_its_transaction_fails_and_the_consumer_goes_on() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            let consumer = builder(&shop, 2).within(shop.pool.clone()).handler(
                |id: String, mut tx: Tx| async move {
                    effect(&mut tx, &id).await?;
                    if id == "bad" {
                        sqlx::query("ROLLBACK").execute(&mut **tx).await?;
                    }
                    Ok::<_, Failure>(())
                },
            );
            for id in ["bad", "good"] {
                broker.publish(id, id);
            }
            consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
            let parked = broker.parked();
            assert_eq!((parked.len(), parked[0].reason), (1, ParkReason::AttemptsUsedUp));
            assert_eq!((shop.effects("bad").await, shop.effects("good").await), (0, 1));
        }

        #[tokio::test]
        async fn a_handler_that_fails_as_if_the_database_were_away_has_failed_the_third_time() {
            $(require!($server);)?
            let (shop, broker, runs) = ($open().await, TestBroker::new(), Effects::default());
            let seen = runs.clone();
            let consumer = builder(&shop, 1).within(shop.pool.clone()).handler_with(
                move |id: String, _: Tx| {
                    seen.add(&id);
                    async move {
                        let elsewhere = std::io::ErrorKind::ConnectionReset.into();
                        Err::<(), _>(match id.as_str() {
                            "pool" => sqlx::Error::PoolTimedOut,
                            "protocol" => sqlx::Error::Protocol("too many arguments".into()),
                            _ => sqlx::Error::Io(elsewhere),
                        })
                    }
                },
                |error| match error {
                    sqlx::Error::PoolTimedOut => consumer::Failure::Permanent,
                    _ => consumer::Failure::Retry,
                },
            );
            for id in ["elsewhere", "pool", "protocol"] {
                broker.publish(id, id);
            }
            consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
            assert_eq!(broker.parked().len(), 3);
            let expected = [("elsewhere", 3), ("pool", 1), ("protocol", 1)];
            assert_eq!(runs.all(), expected.map(|(id, times)| (id.to_owned(), times)));
        }

        #[tokio::test]
        async fn a_handler_that_does_not_end_when_its_consumer_stops_has_no_effect() {
            $(require!($server);)?
            let (shop, broker, ends) =
                ($open().await, TestBroker::with_deadline(secs(300)), Ends::default());
            let started = Effects::default();
            let seen = started.clone();
            let builder = ends.watch(builder(&shop, 3)).stop_within(millis(100));
            let consumer = builder.within(shop.pool.clone()).handler(
                move |id: String, mut tx: Tx| {
                    let seen = seen.clone();
                    async move {
                        effect(&mut tx, &id).await?;
                        if seen.add(&id) == 1 {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Failure>(())
                    }
                },
            );
            broker.publish("7", "7");
            let running = Running::start(&consumer, broker.source());
            until(|| started.of("7") == 1).await;
            running.stop().await.unwrap();
            let interrupted = ("7".to_owned(), DeliveryOutcome::Interrupted, Verdict::GivenBack);
            assert_eq!(ends.all(), [interrupted]);
            assert_eq!(shop.effects("7").await, 0);
            // Somebody else has it at once, and no lease is in the way.
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert_eq!(shop.effects("7").await, 1);
        }

        #[tokio::test]
        async fn what_was_committed_is_not_parked_although_its_attempts_are_used_up() {
            $(require!($server);)?
            let (shop, broker, ends) =
                ($open().await, TestBroker::with_deadline(secs(2)), Ends::default());
            let runs = Arc::new(AtomicU32::new(0));
            let handler = move |id: String, mut tx: Tx| {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                async move {
                    effect(&mut tx, &id).await?;
                    if run == 0 { Err("the carrier is down".into()) } else { Ok::<_, Failure>(()) }
                }
            };
            let consumer = ends.watch(builder(&shop, 2)).within(shop.pool.clone()).handler(handler);
            broker.publish("7", "7");
            let running = Running::start(&consumer, broker.source());
            until(|| ends.count(DeliveryOutcome::Failed) == 1).await;
            broker.lose_verdicts(usize::MAX);
            let committed = async {
                while shop.effects("7").await == 0 {
                    tokio::time::sleep(millis(10)).await;
                }
            };
            tokio::time::timeout(secs(60), committed).await.expect("it is committed");
            running.crash().await;
            broker.lose_verdicts(0);
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert!(broker.parked().is_empty(), "{:?}", broker.parked());
            assert_eq!((broker.completed(), shop.effects("7").await), (vec!["7".to_owned()], 1));
        }

        #[tokio::test]
        async fn the_same_id_with_another_payload_is_parked() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            let consumer = builder(&shop, 3).within(shop.pool.clone()).handler(
                |id: String, mut tx: Tx| async move { effect(&mut tx, &id).await },
            );
            broker.publish("7", "tea");
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            broker.publish("7", "milk");
            consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
            assert_eq!(broker.parked()[0].reason, ParkReason::Mismatch);
            assert_eq!((shop.effects("tea").await, shop.effects("milk").await), (1, 0));
        }

        #[tokio::test]
        async fn a_handler_that_lets_its_transaction_out_is_not_committed() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            let consumer = builder(&shop, 1).within(shop.pool.clone()).handler(
                |id: String, mut tx: Tx| async move {
                    effect(&mut tx, &id).await?;
                    tokio::spawn(async move {
                        tokio::time::sleep(millis(500)).await;
                        drop(tx);
                    });
                    Ok::<_, Failure>(())
                },
            );
            broker.publish("7", "7");
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            let parked = &broker.parked()[0];
            assert!(parked.error.contains("still has its transaction"), "{parked:?}");
            tokio::time::sleep(secs(1)).await;
            assert_eq!(shop.effects("7").await, 0);
        }

        #[tokio::test]
        async fn what_does_not_suit_a_transaction_is_said() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            let handler = |id: String, mut tx: Tx| async move { effect(&mut tx, &id).await };
            let at_most_once = builder(&shop, 3).guarantee(Guarantee::AtMostOnce);
            let elsewhere = Consumer::builder("shop.ship", &Idempotency::new(MemoryStore::new()));
            broker.publish("7", "7");
            for (builder, words) in
                [(at_most_once, "leave `at_most_once` out"), (elsewhere, "database")]
            {
                let consumer = builder.within(shop.pool.clone()).handler(handler);
                match consumer.run(broker.source(), std::future::pending()).await {
                    Err(ConsumerError::Misconfigured(text)) => {
                        assert!(text.contains(words), "{text}");
                    }
                    ended => panic!("{ended:?}"),
                }
            }
            let exactly_once = builder(&shop, 3).guarantee(Guarantee::ExactlyOnce);
            let consumer = exactly_once.within(shop.pool.clone()).handler(handler);
            consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
            assert_eq!(shop.effects("7").await, 1);
        }
    };
}

mod on_postgres {
    rules_on! { Postgres, postgres_shop, PgPool, [idempotent_servers::Server::Postgres] }
}

mod on_sqlite {
    rules_on! { Sqlite, sqlite_shop, SqlitePool, [] }
}
