//! Calls of every shape that die before and after each of their writes, on every store that keeps journals.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_core::testing::{Crashes, Effects, crash_everywhere, crash_everywhere_on};
use idempotent_core::{Error, Guarantee, Operation, idempotent, step};
use idempotent_servers::{Flavor, Postgres, Redis, Server, require};
use tempfile::TempDir;

use crate::shop::failure;

/// What a process that dies on a real server leaves behind for so long. A slow machine must not outlast it.
const LEASE: Duration = Duration::from_secs(1);

/// In memory, time is moved by hand.
const LEASE_IN_MEMORY: Duration = Duration::from_secs(30);

async fn effect(effects: &Effects, name: &'static str, key: u32) -> Result<u32, Error> {
    let step = Operation::new(name).step().key(&key).returning::<Result<u32, Error>>();
    step.run(|| async {
        effects.note(format!("{name} {key}"));
        tokio::task::yield_now().await;
        Ok(key)
    })
    .await
}

async fn once(effects: &Effects, name: &'static str) -> Result<u32, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    let step = step.returning::<Result<u32, Error>>();
    step.run(|| async {
        effects.note_once(name);
        tokio::task::yield_now().await;
        Ok(1)
    })
    .await
}

async fn outer(effects: &Effects) -> Result<u32, Error> {
    let step = Operation::new("outer").step().returning::<Result<u32, Error>>();
    step.run(|| async { Ok(effect(effects, "a", 1).await? + effect(effects, "b", 2).await?) }).await
}

/// A step that fails at first in each run, and is tried again.
async fn flaky(effects: &Effects) -> Result<u32, Error> {
    let tries = AtomicU32::new(0);
    // Where the run may not go on, each try is refused at once.
    for _ in 0..5 {
        let step = Operation::new("flaky").step().returning::<Result<u32, Error>>();
        let tried = step.run(|| async {
            effects.note("flaky");
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err(failure().await),
                _ => Ok(1),
            }
        });
        if let Ok(done) = tried.await {
            return Ok(done);
        }
    }
    Err(failure().await)
}

#[idempotent(key = 1, singleton, name = "inner.call", lease = "1s", wait = "10s")]
async fn inner_call(effects: &Effects) -> Result<u32, Error> {
    effects.note("inner call");
    Ok(5)
}

/// The bodies, by their numbers.
async fn body(shape: u32, effects: Effects) -> Result<u32, Error> {
    let effects = &effects;
    match shape {
        0 => Ok(effect(effects, "a", 1).await? + effect(effects, "b", 2).await?),
        1 => {
            let (a, b, c) = tokio::try_join!(
                effect(effects, "a", 1),
                effect(effects, "b", 2),
                effect(effects, "c", 3)
            )?;
            Ok(a + b + c)
        }
        2 => {
            let mut sum = 0;
            for line in 1..=4 {
                sum += effect(effects, "ship", line).await?;
            }
            Ok(sum)
        }
        3 => Ok(outer(effects).await? + effect(effects, "c", 3).await?),
        4 => {
            let chosen = step("choice", || async { Ok::<u32, Error>(2) }).await?;
            match chosen {
                2 => effect(effects, "two", 2).await,
                _ => effect(effects, "other", 1).await,
            }
        }
        5 => Ok(flaky(effects).await? + effect(effects, "b", 2).await?),
        6 => {
            let step = Operation::new("declined").step().returning::<Result<u32, Error>>();
            let declined = step.run(|| async {
                effects.note("declined");
                Err::<u32, Error>(failure().await)
            });
            assert!(declined.await.is_err());
            effect(effects, "instead", 1).await
        }
        7 => Ok(once(effects, "pay").await? + effect(effects, "b", 2).await?),
        8 => {
            let (a, b) = tokio::try_join!(once(effects, "pay"), effect(effects, "b", 2))?;
            Ok(a + b + once(effects, "pay_again").await?)
        }
        9 => {
            let step = Operation::new("nested").step().returning::<Result<u32, Error>>();
            Ok(step.run(|| inner_call(effects)).await? + effect(effects, "b", 2).await?)
        }
        10 => {
            let (a, b) = tokio::try_join!(outer(effects), effect(effects, "b", 9))?;
            Ok(a + b)
        }
        _ => {
            let (a, b) = tokio::join!(flaky(effects), once(effects, "pay"));
            Ok(a? + b? + effect(effects, "last", 1).await?)
        }
    }
}

const SHAPES: u32 = 12;

fn call(
    shape: u32,
    lease: Duration,
) -> impl Fn(Effects) -> std::pin::Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>> {
    // No lease of the first run lapses, which nothing interrupts.
    let is_first = AtomicBool::new(true);
    move |effects| {
        let lease = if is_first.swap(false, Ordering::Relaxed) { lease * 60 } else { lease };
        let call = Operation::new("checkout").lease(lease).wait(Duration::from_secs(10));
        let call = call.key(&shape).returning::<Result<u32, Error>>();
        Box::pin(call.run(move || body(shape, effects)))
    }
}

fn has_doubt(shape: u32) -> bool {
    matches!(shape, 7 | 8 | 11)
}

fn assert_finished(shape: u32, died: Crashes) {
    assert_eq!(died.finished + died.indeterminate, died.crashes, "{shape}");
    assert_eq!(died.indeterminate > 0, has_doubt(shape), "{shape}: {died:?}");
}

#[tokio::test]
async fn every_shape_survives_every_crash_in_memory() {
    for shape in 0..SHAPES {
        assert_finished(shape, crash_everywhere(call(shape, LEASE_IN_MEMORY)).await);
    }
}

/// Some, since leases really lapse here. A process that dies in this way keeps what it has locked, as no real one does, so
/// on a file none of them writes while another write is under way.
const SHAPES_ON_SQLITE: [u32; 3] = [3, 6, 7];

const SHAPES_ON_POSTGRES: [u32; 2] = [1, 8];

#[tokio::test]
async fn calls_survive_every_crash_on_sqlite() {
    for shape in SHAPES_ON_SQLITE {
        survives_every_crash_on_a_file(shape).await;
    }
}

#[tokio::test]
#[ignore = "takes minutes: a lease for each crash"]
async fn every_shape_that_writes_one_step_at_a_time_survives_every_crash_on_sqlite() {
    for shape in [0, 2, 3, 4, 5, 6, 7, 9] {
        survives_every_crash_on_a_file(shape).await;
    }
}

async fn survives_every_crash_on_a_file(shape: u32) {
    let folder = TempDir::new().unwrap();
    let store = async |run: usize| {
        let file = folder.path().join(run.to_string());
        SqliteStore::builder(file).response_timeout(LEASE * 10).connect().await.unwrap()
    };
    let lapse = async || tokio::time::sleep(LEASE).await;
    assert_finished(shape, crash_everywhere_on(store, lapse, call(shape, LEASE)).await);
}

async fn survives_every_crash_on(server: &Postgres, shape: u32) {
    let store = async |run: usize| {
        let table = format!("calls_{shape}_{run}");
        let builder = PostgresStore::builder(server.url()).table(table).max_connections(2);
        builder.response_timeout(LEASE * 10).connect().await.unwrap()
    };
    let lapse = async || tokio::time::sleep(LEASE).await;
    assert_finished(shape, crash_everywhere_on(store, lapse, call(shape, LEASE)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_every_crash_on_postgres() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    for shape in SHAPES_ON_POSTGRES {
        survives_every_crash_on(&server, shape).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: a lease for each crash"]
async fn every_shape_survives_every_crash_on_postgres() {
    require!(Server::Postgres);
    for shape in 0..SHAPES {
        // The stores of processes that died keep their connections.
        let server = Postgres::builder().start().await;
        survives_every_crash_on(&server, shape).await;
    }
}

/// Those that depend most on how a server compares and sets.
const SHAPES_ON_VALKEY: [u32; 4] = [5, 8, 9, 11];

/// All at once: each waits for leases most of its time.
async fn shapes_survive_every_crash_on(flavor: Flavor, shapes: impl IntoIterator<Item = u32>) {
    let server = Redis::builder().flavor(flavor).start().await;
    let url = server.url();
    let crash = async |shape: u32| {
        let store = async |run: usize| {
            let builder = RedisStore::builder(&*url).prefix(format!("{shape}:{run}:"));
            builder.response_timeout(LEASE * 10).connect().await.unwrap()
        };
        let lapse = async || tokio::time::sleep(LEASE).await;
        assert_finished(shape, crash_everywhere_on(store, lapse, call(shape, LEASE)).await);
    };
    futures::future::join_all(shapes.into_iter().map(crash)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_survives_every_crash_on_redis() {
    require!(Server::Redis);
    shapes_survive_every_crash_on(Flavor::Redis, 0..SHAPES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_every_crash_on_valkey() {
    require!(Server::Valkey91);
    shapes_survive_every_crash_on(Flavor::Valkey91, SHAPES_ON_VALKEY).await;
}
