//! One trial: honest tenants alone, then the same with a hostile one.

use std::env;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use idempotent_core::IdempotencyBuilder;
use tokio::task::JoinSet;

use crate::report::Calls;
use crate::shop::{MAX_IN_FLIGHT_PER_SCOPE, Shop};
use crate::{honest, hostile};

const TENANTS: usize = 10;

/// The records of a tenant's share, for each second of the trial: twice what an honest one has.
const RECORDS_A_SECOND: u64 = 60;

/// How long the hostile tenant is there. Long runs compare latencies too.
fn duration() -> (Duration, bool) {
    let asked = env::var("IDEMPOTENT_FAIRNESS_SECONDS").ok().and_then(|text| text.parse().ok());
    (Duration::from_secs(asked.unwrap_or(5)), asked.is_some())
}

/// Runs it, and panics unless the honest tenants noticed nothing.
pub(crate) async fn run(store: &str, engine: IdempotencyBuilder) {
    let (time, is_long) = duration();
    let max_records = time.as_secs() * RECORDS_A_SECOND;
    let shop = Shop::on(engine, max_records);
    let alone = honest_for(&shop, time / 2).await;
    let attack = tokio::spawn(hostile::attack(shop.clone(), Instant::now() + time));
    let beside = honest_for(&shop, time).await;
    let refusals = attack.await.unwrap();

    let hostile_keys = shop.ledger.keys_of(hostile::TENANT);
    let too_many = refusals.too_many.load(Ordering::Relaxed);
    println!(
        "{store}: {} honest calls, {} failed, p99 {:?} beside the hostile tenant and {:?} without; it ran \
         {hostile_keys} keys, was refused {too_many} times, and {} times for others",
        beside.count(),
        beside.failed.len(),
        beside.p99(),
        alone.p99(),
        refusals.unavailable.load(Ordering::Relaxed),
    );
    assert!(alone.failed.is_empty(), "{:?}", alone.failed);
    let allowed = beside.count() / 1000;
    assert!(
        beside.failed.len() <= allowed,
        "{} of {}: {:?}",
        beside.failed.len(),
        beside.count(),
        beside.failed
    );
    assert_eq!(shop.ledger.twice(), []);
    // It was in fact at its limits, and they held.
    assert!(too_many > 0);
    // Each of the two layers has requests in flight.
    let bound = max_records as usize + 2 * MAX_IN_FLIGHT_PER_SCOPE;
    assert!(hostile_keys <= bound, "{hostile_keys} keys, of which {bound} are allowed");
    if is_long {
        let limit = (alone.p99() * 2).max(Duration::from_millis(10));
        assert!(beside.p99() <= limit, "{:?} where {limit:?} is allowed", beside.p99());
    }
}

async fn honest_for(shop: &Shop, time: Duration) -> Calls {
    let until = Instant::now() + time;
    let mut tenants = JoinSet::new();
    for number in 0..TENANTS {
        tenants.spawn(honest::pay(shop.clone(), format!("tenant-{number}"), until));
    }
    tenants.join_all().await.into_iter().fold(Calls::default(), Calls::join)
}
