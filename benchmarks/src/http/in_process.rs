//! Turns without a socket: the router is called as a server would call it.

use std::error::Error;
use std::time::Instant;

use axum::Router;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tower_service::Service;

use crate::request::{REPLAYED, fresh, request};
use crate::sides::{Side, sides};
use crate::{median, processor_time};

const ROUNDS: usize = 31;
/// Requests of a turn.
const REQUESTS: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Requests that carry no key.
    WithoutKey,
    /// Requests with keys that were executed before.
    Replay,
    /// Requests with fresh keys.
    FirstRun,
}

pub(crate) async fn measure() -> Result<(), Box<dyn Error>> {
    for tasks in [1, 64] {
        for what in [What::WithoutKey, What::Replay, What::FirstRun] {
            compare(what, tasks).await?;
        }
    }
    Ok(())
}

/// Measures all sides, and prints a line for each.
async fn compare(what: What, tasks: u64) -> Result<(), Box<dyn Error>> {
    let sides = sides()?;
    for side in &sides {
        for n in 0..REPLAYED {
            call(&mut side.router.clone(), Some(n)).await;
        }
        turn(side, what, tasks).await;
    }
    let mut turns: Vec<Vec<Turn>> = sides.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for place in 0..sides.len() {
            let side = (place + round) % sides.len();
            turns[side].push(turn(&sides[side], what, tasks).await);
        }
    }
    println!(
        "\n{what:?}, {tasks} tasks: ns for a request, more than bare; of processor time, more than bare"
    );
    for (side, own) in sides.iter().zip(&turns) {
        let figures = |figure: fn(&Turn) -> f64| {
            let more = own.iter().zip(&turns[0]).map(|(own, bare)| figure(own) - figure(bare));
            (median(own.iter().map(figure).collect()), median(more.collect()))
        };
        let ((time, more), (cpu, more_cpu)) = (figures(|turn| turn.time), figures(|turn| turn.cpu));
        println!("  {:20} {time:>8.0} {more:>+8.0}   {cpu:>8.0} {more_cpu:>+8.0}", side.name);
    }
    Ok(())
}

/// Nanoseconds for a request.
struct Turn {
    time: f64,
    cpu: f64,
}

/// A turn's requests, spread over so many tasks.
async fn turn(side: &Side, what: What, tasks: u64) -> Turn {
    let (start, before) = (Instant::now(), processor_time());
    let mut running = JoinSet::new();
    for task in 0..tasks {
        let mut router = side.router.clone();
        running.spawn(async move {
            for n in (task..REQUESTS).step_by(tasks as usize) {
                let key = match what {
                    What::WithoutKey => None,
                    What::Replay => Some(n % REPLAYED),
                    What::FirstRun => Some(fresh()),
                };
                call(&mut router, key).await;
            }
        });
    }
    running.join_all().await;
    let (time, cpu) = (start.elapsed().as_nanos() as f64, processor_time() - before);
    Turn { time: time / REQUESTS as f64, cpu: cpu / REQUESTS as f64 }
}

async fn call(router: &mut Router, key: Option<u64>) {
    let Ok(response) = router.call(request(key)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    assert!(!std::hint::black_box(body).is_empty());
}
