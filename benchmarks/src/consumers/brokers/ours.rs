//! A consumer whose handlers do nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use idempotent_core::Idempotency;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Source};
use tokio::sync::Notify;

use super::MESSAGES;
use crate::{CONCURRENCY, Failure};

/// Handles every message of the source, and returns how long that took until the last one was confirmed.
pub(super) async fn handle(source: impl Source, engine: &Idempotency) -> Result<Duration, Failure> {
    let (left, all) = (AtomicUsize::new(MESSAGES), Arc::new(Notify::new()));
    let last = Arc::clone(&all);
    let consumer = Consumer::builder("benchmark.handle", engine)
        .concurrency(CONCURRENCY)
        .on_settled(move |settled| {
            if settled.outcome != DeliveryOutcome::Executed {
                eprintln!("a message of this turn was {:?}", settled.outcome);
            }
            if settled.confirmed && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                last.notify_one();
            }
        })
        .handler(|_: Vec<u8>| async { Ok::<_, Infallible>(()) });
    let (start, mut took) = (Instant::now(), Duration::ZERO);
    let handled = async {
        all.notified().await;
        took = start.elapsed();
    };
    consumer.run(source, handled).await?;
    Ok(took)
}
