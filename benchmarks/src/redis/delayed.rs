//! What `TCP_NODELAY` is worth over a network: executions that come at random, through a proxy that
//! keeps everything for a millisecond, which its timer makes two, in each direction.

use std::error::Error;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use idempotent_servers::{Redis, TcpProxy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::ours::Ours;
use crate::receipt::key;
use crate::rounds::{Ratios, fresh, median};
use crate::side::Side;

const ONE_WAY: Duration = Duration::from_millis(1);
const ROUNDS: u64 = 7;
/// How long calls come in one turn.
const TURN_SECONDS: f64 = 2.0;

pub(crate) async fn measure(server: &Redis) -> Result<(), Box<dyn Error>> {
    let proxy = TcpProxy::start(server.address()).await;
    proxy.delay_requests(ONE_WAY);
    proxy.delay_replies(ONE_WAY);
    let url = proxy.redis_url();
    let with = Arc::new(Ours::connect(&crate::client(&url, true)?).await?);
    let without = Arc::new(Ours::connect(&crate::client(&url, false)?).await?);
    for per_second in [300, 1_000, 3_000] {
        let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Ratios::default());
        for round in 0..ROUNDS {
            // Now the one first, now the other.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                let store = [&with, &without][side];
                times[side].push(mean(store, f64::from(per_second)).await);
            }
            ratios.add(times[1][round as usize] / times[0][round as usize]);
        }
        let [with, without] = times.map(median);
        println!(
            "{per_second} executions a second, 4 ms there and back: {with:.1} ms with TCP_NODELAY, \
             {without:.1} ms without, {ratios}"
        );
    }
    Ok(())
}

/// What an execution takes in the mean, in milliseconds, when so many come a second, by themselves.
async fn mean(side: &Arc<Ours>, per_second: f64) -> f64 {
    let (start, first) = (Instant::now(), fresh());
    let (mut at, mut n) = (0.0, first);
    let mut calls = JoinSet::new();
    while at < TURN_SECONDS {
        at += gap(n) / per_second;
        sleep_until(start + Duration::from_secs_f64(at)).await;
        let (side, key) = (Arc::clone(side), key(n));
        calls.spawn(async move {
            let start = Instant::now();
            side.execute(&key).await.expect("the call succeeds");
            start.elapsed().as_secs_f64() * 1e3
        });
        n += 1;
    }
    let times = calls.join_all().await;
    times.iter().sum::<f64>() / times.len() as f64
}

/// How long it is to the next call, where the mean is 1: exponential, as where nobody knows of another.
fn gap(n: u64) -> f64 {
    let random = BuildHasherDefault::<DefaultHasher>::default().hash_one(n);
    -(((random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64).ln()
}
