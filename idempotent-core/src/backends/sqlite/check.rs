//! Whether the file can be read and written: a statement that writes, and finds nothing to change.

use super::inner::Inner;
use super::query::query;
use crate::store::{StoreError, StoreHealth};

const ASKED: &str = "DELETE … WHERE false";
const NOTHING: &str = r#"DELETE FROM "idempotent_records" WHERE false"#;

pub(super) async fn check(store: &Inner) -> Result<StoreHealth, StoreError> {
    let statement = store.names.statement(NOTHING);
    store.connection.change(query(&statement)).await?;
    Ok(StoreHealth::new(ASKED))
}
