//! What a store on its way says of itself.

use idempotent_core::backends::{MemoryStore, Migrating, MigrationMode, RedisStore};
use idempotent_core::store::Store as _;

use MigrationMode::{Both, New, Old};

/// There is no server.
fn away() -> RedisStore {
    RedisStore::builder("redis://127.0.0.1:1").connect_lazy().unwrap()
}

#[tokio::test]
async fn a_check_asks_every_store_that_the_mode_uses() {
    let here = MemoryStore::new;
    assert!(Migrating::new(here(), away(), Old).check().await.is_ok());
    for mode in [Both, New] {
        assert!(Migrating::new(here(), here(), mode).check().await.is_ok(), "{mode}");
        assert!(Migrating::new(here(), away(), mode).check().await.is_err(), "{mode}");
        assert!(Migrating::new(away(), here(), mode).check().await.is_err(), "{mode}");
    }
}

/// A call is several calls then, and the engine would wait for each in turn.
#[tokio::test]
async fn the_engine_limits_what_takes_both_stores() {
    let limit = |mode| Migrating::new(away(), away(), mode).response_timeout();
    assert_eq!(limit(Old), away().response_timeout());
    assert!(limit(Old).is_some());
    assert_eq!((limit(Both), limit(New)), (None, None));
}
