//! How soon a waiter on another connection hears that a call ended, as one in another process would.

use std::error::Error;
use std::time::{Duration, Instant};

use idempotent_core::backends::PostgresStore;
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::{Complete, Reserve, Store, Wait};

const ORDERS: u64 = 400;
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn measure(url: &str) -> Result<(), Box<dyn Error>> {
    let owner = PostgresStore::connect(url).await?;
    let other = PostgresStore::connect(url).await?;
    let mut delays = Vec::new();
    for order in 0..ORDERS {
        let id = RecordId::of("shop::wake", None, &order)?;
        let request = Reserve::new(&id, Envelope::new("shop::wake"));
        owner.reserve(&request).await?;
        let reservation = request.record().clone();
        let (store, token, waited) = (other.clone(), reservation.token(), id.clone());
        let waiter = tokio::spawn(async move {
            store.wait(&Wait::new(&waited, token, HOUR)).await.map(|()| Instant::now())
        });
        // Long enough to be known as a waiter, and short of its next look.
        tokio::time::sleep(Duration::from_millis(40)).await;
        let record = reservation.completed(b"receipt");
        owner.complete(&Complete::new(&id, &reservation, &record, HOUR)).await?;
        let ended = Instant::now();
        delays.push(waiter.await??.saturating_duration_since(ended).as_secs_f64() * 1e3);
    }
    delays.sort_by(f64::total_cmp);
    let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
    println!(
        "A waiter elsewhere hears of an end after {:.2} ms (median), {:.2} ms (p99), {:.2} ms (longest)",
        at(50),
        at(99),
        at(100),
    );
    Ok(())
}
