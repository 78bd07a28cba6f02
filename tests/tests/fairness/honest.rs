//! An honest tenant: pays now and then, and sends each request twice, as a careful client would.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;

use crate::report::Calls;
use crate::shop::Shop;

const PAUSE: Duration = Duration::from_millis(50);

/// Pays until the time is over.
pub(crate) async fn pay(shop: Shop, tenant: String, until: Instant) -> Calls {
    let mut calls = Calls::default();
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        // Every other key under the stricter guarantee.
        let what = if number % 2 == 0 { "pay" } else { "strict" };
        let key = format!("{tenant}-{}-{number}", calls.began());
        let start = Instant::now();
        let first = shop.send(what, &tenant, &key, Body::empty()).await;
        let took = start.elapsed();
        let again = shop.send(what, &tenant, &key, Body::empty()).await;
        let succeeded = first.status == StatusCode::CREATED
            && again.is_replay
            && (again.status, again.body) == (first.status, first.body);
        calls.note(took, succeeded.then_some(()).ok_or((first.status, again.status)));
        tokio::time::sleep(PAUSE).await;
    }
    calls
}
