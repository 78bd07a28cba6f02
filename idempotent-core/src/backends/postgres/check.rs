//! Whether the server can serve calls: a statement that writes, and finds nothing to change.

use super::connection::Retry;
use super::inner::Inner;
use super::query::Query;
use crate::store::{Degradation, StoreError, StoreHealth};

const ASKED: &str = "DELETE … WHERE false";
const NOTHING: &str = r#"DELETE FROM "idempotent"."records" WHERE false"#;

pub(super) async fn check(store: &Inner) -> Result<StoreHealth, StoreError> {
    // A standby refuses it, as does a server on which the tables or a right are missing.
    let statement = store.names.statement(NOTHING);
    store.connection.fetch(|| Query::new(&statement), Retry::Yes).await?;
    let health = StoreHealth::new(ASKED);
    Ok(if store.notifications.is_deaf() {
        health.degraded_by(Degradation::NoNotifications)
    } else {
        health
    })
}
