//! Paths of the model of calls that resume, taken in each store, and compared move by move.
//!
//! The paths together do everything that a store can be asked in every state of record and journal in which it can be asked:
//! early, late, twice, by an owner and by one that was overtaken. CI takes every one of them in memory, and a share of them
//! elsewhere. All of them, by hand: `IDEMPOTENT_MODEL_PATHS=1 cargo test -p idempotent-tests --test model stores`.

mod compare;
mod driver;
mod entries;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use idempotent_core::backends::{MemoryStore, PostgresStore, RedisStore, SqliteStore};
use idempotent_core::store::Store;
use idempotent_core::testing::ManualClock;
use idempotent_model::paths::{StorePath, paths_of};
use idempotent_model::protocol::Config;
use idempotent_servers::{Flavor, Postgres, Redis, Server, require};
use tempfile::TempDir;
use tokio::task::JoinSet;

use self::driver::{Lapsing, drive};

/// How many paths are taken at once.
const AT_ONCE: usize = 32;

/// Loaded machines are slow; what is bounded in time is tested elsewhere.
const SLOW: Duration = Duration::from_secs(10);

/// Paths of calls without an input, which retries finish, and of calls with one, which recovery finds, too: with each, whether
/// it has an input.
static PATHS: LazyLock<Vec<(bool, StorePath)>> = LazyLock::new(|| {
    let configs = [Config::new(2, 1).errors(1), Config::new(3, 0)];
    let plain = configs.into_iter().flat_map(|config| paths_of(config.without_input()));
    let plain = plain.map(|path| (false, path));
    plain.chain(paths_of(configs[0]).into_iter().map(|path| (true, path))).collect()
});

/// Takes every so many-th path in a store, and prints how many those were. At least so many percent of their moves are
/// compared: a store that keeps what the model takes for vacant may leave a path.
async fn take_paths(store: impl Store + 'static, lapsing: Lapsing, every: usize, percent: usize) {
    let every = std::env::var("IDEMPOTENT_MODEL_PATHS").ok().map_or(every, |every| {
        every.parse().unwrap_or_else(|_| panic!("IDEMPOTENT_MODEL_PATHS is a number"))
    });
    let at_once = if matches!(lapsing, Lapsing::ByClock(_)) { 1 } else { AT_ONCE };
    let store: Arc<dyn Store> = Arc::new(store);
    let (mut running, mut ended) = (JoinSet::<Result<usize, String>>::new(), Vec::new());
    let mut moves = 0;
    for (number, (has_input, path)) in PATHS.iter().enumerate().step_by(every) {
        if running.len() >= at_once {
            ended.extend(running.join_next().await.map(Result::unwrap));
        }
        let (store, lapsing) = (Arc::clone(&store), lapsing.clone());
        running.spawn(async move { drive(&*store, lapsing, path, number, *has_input).await });
        moves += path.moves.len();
    }
    ended.extend(running.join_all().await);
    let wrong: Vec<&String> = ended.iter().filter_map(|ended| ended.as_ref().err()).collect();
    let compared: usize = ended.iter().flatten().sum();
    let (paths, all) = (ended.len(), PATHS.len());
    println!("{paths} of {all} paths, {compared} of {moves} moves, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong[0]);
    assert!(compared * 100 >= moves * percent, "only {compared} of {moves} moves were compared");
}

#[tokio::test]
async fn memory_takes_every_path_of_the_model() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    take_paths(store, Lapsing::ByClock(clock), 1, 100).await;
}

#[tokio::test]
async fn sqlite_takes_paths_of_the_model() {
    let folder = TempDir::new().unwrap();
    let builder = SqliteStore::builder(folder.path().join("calls.db"));
    let builder = builder.synchronous(sqlx::sqlite::SqliteSynchronous::Off);
    let store = builder.response_timeout(SLOW).connect().await.unwrap();
    take_paths(store, Lapsing::ByRenewal, 8, 90).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_valkey_take_paths_of_the_model() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Redis::builder().flavor(flavor).start().await;
        let store = RedisStore::builder(server.url()).response_timeout(SLOW).connect().await;
        take_paths(store.unwrap(), Lapsing::ByRenewal, 8, 90).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_takes_paths_of_the_model() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let builder = PostgresStore::builder(server.url()).max_connections(4);
    let store = builder.response_timeout(SLOW).connect().await.unwrap();
    take_paths(store, Lapsing::ByRenewal, 16, 90).await;
}
