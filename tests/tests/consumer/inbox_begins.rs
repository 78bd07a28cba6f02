//! What comes behind a commit by the same message to PostgreSQL takes nothing back.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::{PostgresStore, transact};
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::effects::{Ends, Running, attempts, until};
use crate::gate::Gate;
use crate::inbox::postgres_database;
use crate::inbox_group_harness::{Failure, Tx, effect, effects, once};
use crate::inbox_lanes::handle_on_one_connection;

/// A statement, and another one that is as long, and fails.
type Swap = (&'static [u8], &'static [u8]);

const NEXT: Swap = (b"COMMIT; BEGIN\0", b"COMMIT;MOVE x\0");
const READ_ONLY: Swap = (b"COMMIT; BEGIN READ ONLY\0", b"COMMIT; MOVE nothing___\0");

/// Hands everything on, but swaps that. Returns the port, and how often it has.
async fn swapping(port: u16, (from, to): Swap) -> (u16, Arc<AtomicUsize>) {
    let (listener, swapped) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicUsize::new(0)));
    let (own_port, counted) = (listener.local_addr().unwrap().port(), Arc::clone(&swapped));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (mut requests, mut to_client) = client.into_split();
            let (mut replies, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut replies, &mut to_client).await });
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut bytes = vec![0; 65_536];
                while let Ok(many @ 1..) = requests.read(&mut bytes).await {
                    let at = bytes[..many].windows(from.len()).position(|it| it == from);
                    if let Some(at) = at {
                        bytes[at..at + to.len()].copy_from_slice(to);
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    if to_server.write_all(&bytes[..many]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (own_port, swapped)
}

/// An engine, and one connection whose messages are swapped.
async fn one_connection(swap: Swap) -> (Idempotency, PgPool, Arc<AtomicUsize>) {
    let url = postgres_database().await;
    let store = PostgresStore::builder(PgPool::connect(&url).await.unwrap())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let options: PgConnectOptions = url.parse().unwrap();
    let (port, swapped) = swapping(options.get_port(), swap).await;
    let options = options.host("127.0.0.1").port(port);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE effects (id text NOT NULL)").execute(&pool).await.unwrap();
    (Idempotency::new(store), pool, swapped)
}

#[tokio::test]
async fn a_message_is_done_whose_commit_succeeds_also_if_the_next_transaction_does_not_begin() {
    require!(Server::Postgres);
    let ((engine, pool, swapped), gate) = (one_connection(NEXT).await, Gate::new());
    let ends = Ends::default();
    let builder = gate.watch(ends.watch(Consumer::builder("shop.ship", &engine))).concurrency(64);
    let builder = builder.attempts(attempts(1)).within(pool.clone());
    let ids = ["1", "2", "3"].map(str::to_owned);
    let broker = handle_on_one_connection(builder, (&gate, ready(())), &ids).await;
    assert!(swapped.load(Ordering::SeqCst) > 0);
    assert_eq!(effects(&pool).await, once(["1", "2", "3"]));
    assert!(broker.parked().is_empty(), "{:?}", broker.parked());
    assert_eq!(ends.count(DeliveryOutcome::Executed), 4, "{:?}", ends.all());
}

#[tokio::test]
async fn a_transaction_is_done_whose_commit_succeeds_also_if_the_empty_one_behind_it_does_not_begin()
 {
    require!(Server::Postgres);
    let (_, pool, swapped) = one_connection(READ_ONLY).await;
    for id in ["1", "2"] {
        let insert = transact(&pool, async |mut tx| {
            sqlx::query("INSERT INTO effects VALUES ($1)").bind(id).execute(&mut **tx).await
        });
        insert.await.unwrap();
    }
    assert_eq!(swapped.load(Ordering::SeqCst), 2);
    assert_eq!(effects(&pool).await, once(["1", "2"]));
}

#[tokio::test]
async fn messages_that_wait_for_a_connection_do_not_begin_once_the_consumer_stops() {
    require!(Server::Postgres);
    let url = postgres_database().await;
    let store = PostgresStore::builder(PgPool::connect(&url).await.unwrap())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE effects (id text NOT NULL)").execute(&pool).await.unwrap();
    let (engine, broker, gate) = (Idempotency::new(store), TestBroker::new(), Gate::new());
    let (own_gate, ends) = (gate.clone(), Ends::default());
    let builder = gate.watch(ends.watch(Consumer::builder("shop.ship", &engine))).concurrency(64);
    let consumer = builder.within(pool.clone()).handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            Ok::<_, Failure>(())
        }
    });
    broker.publish("gate", "gate");
    let mut running = Running::start(&consumer, broker.source());
    until(|| gate.arrived.of("gate") == 1).await;
    for id in ["1", "2", "3"] {
        broker.publish(id, id);
    }
    until(|| gate.joined() == 3).await;
    running.tell_to_stop();
    // Before the one that has the connection has ended.
    until(|| ends.count(DeliveryOutcome::GivenBack) == 3).await;
    gate.opened.add_permits(1);
    running.ended().await.unwrap();
    assert_eq!(effects(&pool).await, once([]));
    assert_eq!(ends.count(DeliveryOutcome::Executed), 1, "{:?}", ends.all());
}
