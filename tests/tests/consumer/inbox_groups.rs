//! Messages that share a transaction, on both databases: each takes effect once, and one that fails harms no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::consumer::{
    Consumer, ConsumerBuilder, ConsumerError, DeliveryOutcome, InboxPool, InboxTransaction,
    Message, ParkReason,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::require;
use idempotent_tests::{millis, secs};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

use crate::effects::{Effects, Ends, Running, attempts, until};
use crate::gate::Gate;
use crate::inbox::{Shop, postgres_shop, sqlite_shop};

/// Longer than any of these handlers runs.
const LONG: Duration = Duration::from_secs(300);

/// How the deliveries of each message ended, without those of the gates.
fn by_message(ends: &Ends) -> BTreeMap<String, Vec<DeliveryOutcome>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (id, outcome, _) in ends.all().into_iter().filter(|(id, ..)| !id.starts_with("gate")) {
        all.entry(id).or_default().push(outcome);
    }
    all
}

macro_rules! rules_on {
    ($database:ident, $open:ident, $pool:ty, [$($server:path)?]) => {
        use super::*;

        type Tx = InboxTransaction<$database>;
        type Failure = Box<dyn std::error::Error + Send + Sync>;

        async fn effect(tx: &mut Tx, id: &str) -> Result<(), sqlx::Error> {
            let insert = sqlx::query("INSERT INTO effects VALUES ($1)").bind(id);
            insert.execute(&mut ***tx).await.map(drop)
        }

        async fn effects(shop: &Shop<$pool>) -> BTreeMap<String, i64> {
            let all = sqlx::query_as(
                "SELECT id, count(*) FROM effects WHERE id NOT LIKE 'gate%' GROUP BY id",
            );
            all.fetch_all(&shop.pool).await.unwrap().into_iter().collect()
        }

        fn builder(shop: &Shop<$pool>, max: u32) -> ConsumerBuilder {
            Consumer::builder("shop.ship", &shop.engine).concurrency(64).attempts(attempts(max))
        }

        /// Handles a message that fails, in this way, in the middle of others: it is parked after its attempts, and no
        /// other one is even counted as failed.
        async fn fails_alone(
            fail: fn(Tx) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>,
            error: &str,
            max_run: Duration,
        ) {
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let (gate, runs) = (Gate::new(), Effects::default());
            let (own_gate, ran) = (gate.clone(), runs.clone());
            let builder = ends.watch(gate.watch(builder(&shop, 2))).max_run(max_run);
            let consumer = builder.within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx| {
                    let gate = own_gate.clone();
                    ran.add(&id);
                    async move {
                        effect(&mut tx, &id).await?;
                        gate.pass(&id).await;
                        if id == "bad" { fail(tx).await } else { Ok(()) }
                    }
                },
            );
            gate.publish_behind::<$pool>(&broker, &["1", "2", "bad", "3", "4"]).await;
            let running = Running::start(&consumer, broker.source());
            gate.open::<$pool>(5).await;
            let settled = broker.until_settled(5 + <$pool>::GROUPS);
            tokio::time::timeout(secs(60), settled).await.unwrap();
            running.stop().await.unwrap();
            let parked = broker.parked();
            assert_eq!((parked.len(), parked[0].message.id()), (1, "bad"), "{parked:?}");
            assert_eq!((parked[0].reason, parked[0].attempts), (ParkReason::AttemptsUsedUp, 2));
            assert!(parked[0].error.contains(error), "{}", parked[0].error);
            let expected = ["1", "2", "3", "4"].map(|id| (id.to_owned(), 1));
            assert_eq!(effects(&shop).await, BTreeMap::from(expected));
            let by_message = by_message(&ends);
            for id in ["1", "2", "3", "4"] {
                assert_eq!(by_message[id], [DeliveryOutcome::Executed], "{id}");
            }
            // In the group, and then by itself; those behind the one that failed only by themselves.
            assert_eq!((runs.of("1"), runs.of("2"), runs.of("3"), runs.of("bad")), (2, 2, 1, 3));
        }

        #[tokio::test]
        async fn a_message_whose_handler_fails_does_so_alone() {
            $(require!($server);)?
            fails_alone(|_| Box::pin(async { Err("it is no good".into()) }), "it is no good", LONG).await;
        }

        #[tokio::test]
        async fn a_message_whose_handler_panics_does_so_alone() {
            $(require!($server);)?
            fails_alone(|_| Box::pin(async { panic!("as it is told to") }), "panicked", LONG).await;
        }

        #[tokio::test]
        async fn a_message_whose_statement_fails_does_so_alone() {
            $(require!($server);)?
            async fn fail(mut tx: Tx) -> Result<(), Failure> {
                sqlx::query("INSERT INTO nowhere VALUES (1)").execute(&mut **tx).await?;
                Ok(())
            }
            fails_alone(|tx| Box::pin(fail(tx)), "nowhere", LONG).await;
        }

        #[tokio::test]
        async fn a_message_whose_handler_ends_the_transaction_does_so_alone() {
            $(require!($server);)?
            async fn end(mut tx: Tx) -> Result<(), Failure> {
                sqlx::query("ROLLBACK").execute(&mut **tx).await?;
                Ok(())
            }
            fails_alone(|tx| Box::pin(end(tx)), "", LONG).await;
        }

        #[tokio::test]
        async fn a_message_whose_handler_hangs_does_so_alone() {
            $(require!($server);)?
            async fn hang(tx: Tx) -> Result<(), Failure> {
                std::future::pending::<()>().await;
                drop(tx);
                Ok(())
            }
            fails_alone(|tx| Box::pin(hang(tx)), "max_run", secs(5)).await;
        }

        #[tokio::test]
        async fn a_message_that_is_twice_in_a_group_takes_effect_once() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let (gate, runs) = (Gate::new(), Effects::default());
            let (own_gate, ran) = (gate.clone(), runs.clone());
            let builder = ends.watch(gate.watch(builder(&shop, 3)));
            let consumer = builder.within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx, message: Message| {
                    let gate = own_gate.clone();
                    ran.add(message.id());
                    async move {
                        effect(&mut tx, &id).await?;
                        gate.pass(&id).await;
                        Ok::<_, Failure>(())
                    }
                },
            );
            gate.publish_behind::<$pool>(&broker, &["7", "8", "7"]).await;
            broker.publish("8", "another payload");
            let running = Running::start(&consumer, broker.source());
            gate.open::<$pool>(4).await;
            let settled = broker.until_settled(4 + <$pool>::GROUPS);
            tokio::time::timeout(secs(60), settled).await.unwrap();
            running.stop().await.unwrap();
            let expected = ["7", "8"].map(|id| (id.to_owned(), 1));
            assert_eq!(effects(&shop).await, BTreeMap::from(expected));
            // The broker confirms them in any order.
            let outcomes = |id: &str| {
                let mut outcomes = by_message(&ends)[id].clone();
                outcomes.sort_by_key(|outcome| *outcome != DeliveryOutcome::Executed);
                outcomes
            };
            assert_eq!(outcomes("7"), [DeliveryOutcome::Executed, DeliveryOutcome::Replayed]);
            assert_eq!(outcomes("8"), [DeliveryOutcome::Executed, DeliveryOutcome::Refused]);
            assert_eq!(broker.parked()[0].reason, ParkReason::Mismatch);
            assert_eq!((runs.of("7"), runs.of("8")), (1, 1));
        }

        #[tokio::test]
        async fn what_a_group_has_done_is_committed_when_its_consumer_stops_and_the_rest_is_given_back() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let (gate, going_on) = (Gate::new(), Gate::new());
            let (own_gate, second) = (gate.clone(), going_on.clone());
            let consumer = ends.watch(gate.watch(builder(&shop, 3))).within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx| {
                    let (gate, second) = (own_gate.clone(), second.clone());
                    async move {
                        effect(&mut tx, &id).await?;
                        gate.pass(&id).await;
                        if id == "2" {
                            second.pass("gate").await;
                        }
                        Ok::<_, Failure>(())
                    }
                },
            );
            gate.publish_behind::<$pool>(&broker, &["1", "2", "3"]).await;
            let mut running = Running::start(&consumer, broker.source());
            gate.open::<$pool>(3).await;
            until(|| going_on.arrived.of("gate") == 1).await;
            running.tell_to_stop();
            tokio::time::sleep(millis(50)).await;
            going_on.opened.add_permits(8);
            running.ended().await.unwrap();
            let by_message = by_message(&ends);
            assert_eq!(by_message["1"], [DeliveryOutcome::Executed]);
            assert_eq!(by_message["2"], [DeliveryOutcome::Executed]);
            assert_eq!(by_message["3"], [DeliveryOutcome::GivenBack]);
            let expected = ["1", "2"].map(|id| (id.to_owned(), 1));
            assert_eq!(effects(&shop).await, BTreeMap::from(expected));
            let settled = broker.until_settled(3 + <$pool>::GROUPS);
            consumer.run(broker.source(), settled).await.unwrap();
            assert_eq!(effects(&shop).await["3"], 1);
        }

        #[tokio::test]
        async fn messages_that_wait_for_a_group_are_given_back_at_once_when_their_consumer_stops() {
            $(require!($server);)?
            let (shop, broker, ends) = ($open().await, TestBroker::new(), Ends::default());
            let gate = Gate::new();
            let own_gate = gate.clone();
            let consumer = ends.watch(gate.watch(builder(&shop, 3))).within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx| {
                    let gate = own_gate.clone();
                    async move {
                        effect(&mut tx, &id).await?;
                        gate.pass(&id).await;
                        Ok::<_, Failure>(())
                    }
                },
            );
            gate.publish_behind::<$pool>(&broker, &["1", "2"]).await;
            let mut running = Running::start(&consumer, broker.source());
            gate.until_shut::<$pool>(2).await;
            running.tell_to_stop();
            // While those that have the turn still run.
            until(|| ends.count(DeliveryOutcome::GivenBack) == 2).await;
            assert_eq!(ends.all().len(), 2);
            gate.opened.add_permits(8);
            running.ended().await.unwrap();
            assert_eq!(effects(&shop).await, BTreeMap::new());
        }

        #[tokio::test]
        async fn a_group_that_does_not_end_when_its_consumer_stops_has_no_effect() {
            $(require!($server);)?
            let (shop, broker, ends) =
                ($open().await, TestBroker::with_deadline(secs(300)), Ends::default());
            let (gate, runs) = (Gate::new(), Effects::default());
            let (own_gate, ran) = (gate.clone(), runs.clone());
            // One attempt, so that none of them may be counted.
            let builder = ends.watch(gate.watch(builder(&shop, 1))).stop_within(millis(100));
            let consumer = builder.within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx| {
                    let (gate, ran) = (own_gate.clone(), ran.clone());
                    async move {
                        effect(&mut tx, &id).await?;
                        gate.pass(&id).await;
                        if ran.add(&id) == 1 && id == "2" {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Failure>(())
                    }
                },
            );
            gate.publish_behind::<$pool>(&broker, &["1", "2", "3"]).await;
            let running = Running::start(&consumer, broker.source());
            gate.open::<$pool>(3).await;
            until(|| runs.of("2") == 1).await;
            running.stop().await.unwrap();
            let by_message = by_message(&ends);
            assert_eq!(by_message["1"], [DeliveryOutcome::Interrupted]);
            assert_eq!(by_message["2"], [DeliveryOutcome::Interrupted]);
            assert_eq!(by_message["3"], [DeliveryOutcome::GivenBack]);
            assert_eq!(effects(&shop).await, BTreeMap::new());
            let settled = broker.until_settled(3 + <$pool>::GROUPS);
            tokio::time::timeout(secs(60), consumer.run(broker.source(), settled)).await.unwrap().unwrap();
            let expected = ["1", "2", "3"].map(|id| (id.to_owned(), 1));
            assert_eq!(effects(&shop).await, BTreeMap::from(expected));
        }

        #[tokio::test]
        async fn messages_of_one_ordering_key_are_never_in_one_group() {
            $(require!($server);)?
            let (shop, broker, gate) = ($open().await, TestBroker::new(), Gate::new());
            let ran = Arc::new(Mutex::new(Vec::new()));
            let (own_gate, order, pool) = (gate.clone(), Arc::clone(&ran), shop.pool.clone());
            let builder = gate.watch(builder(&shop, 3)).ordered_by(|message: &Message| {
                let is_ordered = !message.id().starts_with("gate");
                is_ordered.then(|| message.id()[..1].to_owned())
            });
            let consumer = builder.within(shop.pool.clone()).group(50).handler(
                move |id: String, mut tx: Tx| {
                    let (gate, order, pool) = (own_gate.clone(), Arc::clone(&order), pool.clone());
                    async move {
                        gate.pass(&id).await;
                        // Over another connection, which sees what is committed.
                        let count = "SELECT count(*) FROM effects WHERE id LIKE $1 || '%'";
                        let committed: i64 =
                            sqlx::query_scalar(count).bind(&id[..1]).fetch_one(&pool).await?;
                        order.lock().unwrap().push((id.clone(), committed));
                        effect(&mut tx, &id).await
                    }
                },
            );
            let ids = ["a1", "b1", "a2", "b2", "c1", "a3", "b3", "c2"];
            gate.publish_behind::<$pool>(&broker, &ids).await;
            let running = Running::start(&consumer, broker.source());
            // The first of each key.
            gate.open::<$pool>(3).await;
            let settled = broker.until_settled(ids.len() + <$pool>::GROUPS);
            tokio::time::timeout(secs(60), settled).await.unwrap();
            running.stop().await.unwrap();
            let ran = ran.lock().unwrap().clone();
            let of = |key: &str| -> Vec<(String, i64)> {
                ran.iter().filter(|(id, _)| id.starts_with(key)).cloned().collect()
            };
            let numbered = |key: &str, many: i64| -> Vec<(String, i64)> {
                (0..many).map(|before| (format!("{key}{}", before + 1), before)).collect()
            };
            assert_eq!((of("a"), of("b")), (numbered("a", 3), numbered("b", 3)));
            assert_eq!(of("c"), numbered("c", 2));
        }

        #[tokio::test]
        async fn a_group_of_none_and_one_of_too_many_are_refused() {
            $(require!($server);)?
            let (shop, broker) = ($open().await, TestBroker::new());
            for messages in [0, 51, usize::MAX] {
                let consumer = builder(&shop, 3).within(shop.pool.clone()).group(messages).handler(
                    |id: String, mut tx: Tx| async move { effect(&mut tx, &id).await },
                );
                let running = consumer.run(broker.source(), tokio::time::sleep(secs(20)));
                match running.await {
                    Err(ConsumerError::Misconfigured(text)) => {
                        assert!(text.contains("from 1 to 50"), "{text}");
                    }
                    ended => panic!("{messages}: {ended:?}"),
                }
            }
        }
    };
}

mod on_postgres {
    rules_on! { Postgres, postgres_shop, PgPool, [idempotent_servers::Server::Postgres] }
}

mod on_sqlite {
    rules_on! { Sqlite, sqlite_shop, SqlitePool, [] }
}
