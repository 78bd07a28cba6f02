//! What it costs to wait for a replica: `cargo bench -p idempotent-tests --bench replicas`.
//!
//! A store that waits for one replica and one that waits for none take turns on one primary, with one
//! task and with 64. A figure is the median over the turns, for one reservation and its completion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::Store;
use idempotent_core::backends::RedisStore;
use idempotent_core::model::{Envelope, RecordId, Token};
use idempotent_core::store::{Complete, CompleteOutcome, Reserve, ReserveOutcome};
use idempotent_servers::{Flavor, Redis};
use tokio::task::JoinSet;
use tokio::time::sleep;

const TURNS: usize = 9;
const CALLS: usize = 4096;
const TTL: Duration = Duration::from_secs(60);

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = || Redis::builder().flavor(flavor).start();
        let (primary, replica) = (server().await, server().await);
        replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).await;
        while !replica.cli(&["INFO", "replication"]).await.to_string().contains("link_status:up") {
            sleep(Duration::from_millis(10)).await;
        }
        let none = Arc::new(RedisStore::connect(primary.url()).await?);
        let one = RedisStore::builder(primary.url()).min_replicas(1, Duration::from_secs(1));
        let one = Arc::new(one.connect().await?);
        for tasks in [1, 64] {
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                without.push(turn(&none, tasks).await);
                with.push(turn(&one, tasks).await);
            }
            let (without, with) = (median(without), median(with));
            println!("{flavor:?}, {tasks} tasks: {without:.1} µs, with one replica {with:.1} µs");
        }
    }
    Ok(())
}

/// Microseconds for each reservation and its completion, by so many tasks at once.
async fn turn(store: &Arc<RedisStore>, tasks: usize) -> f64 {
    let calls = CALLS / if tasks == 1 { 8 } else { 1 };
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..tasks {
        let store = Arc::clone(store);
        callers.spawn(async move {
            for _ in 0..calls / tasks {
                call(&store).await;
            }
        });
    }
    callers.join_all().await;
    begin.elapsed().as_secs_f64() * 1e6 / calls as f64
}

async fn call(store: &RedisStore) {
    let id = RecordId::of("bench::replicas", None, &Token::random().to_string()).expect("an id");
    let request = Reserve::new(&id, Envelope::new(id.operation()));
    let won = store.reserve(&request).await.expect("the store answers");
    assert!(matches!(won, ReserveOutcome::Won), "{won:?}");
    let completed = request.record().completed(b"result");
    let complete = Complete::new(&id, request.record(), &completed, TTL);
    let recorded = store.complete(&complete).await.expect("the store answers");
    assert!(matches!(recorded, CompleteOutcome::Recorded), "{recorded:?}");
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}
