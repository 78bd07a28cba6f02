//! What Redis does by comparing whole values, so with the MAC.

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::{Guarantee, Operation};
use idempotent_servers::{Flavor, Redis, Server, require};
use idempotent_tests::{Runs, call_for, millis};

use crate::backend::{PATIENCE, SECRET};

const CHARGE: Operation = Operation::new("charge").guarantee(Guarantee::AtMostOnce);

/// A call whose lease is renewed before it completes, by plain commands that compare and by scripts.
#[tokio::test]
async fn reservations_with_a_mac_are_renewed_and_completed() {
    require!(Server::Redis, Server::Valkey81, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey81, Flavor::Valkey91] {
        let server = Redis::builder().flavor(flavor).start().await;
        let store = RedisStore::builder(server.url()).response_timeout(PATIENCE);
        let store = store.connect().await.unwrap();
        let engine = Idempotency::builder(store).secret(SECRET).build();
        let (runs, lease) = (Runs::new(), millis(1500));
        let operation = CHARGE.lease(lease);
        let long = call_for(&engine, operation, "k", &runs, lease * 2);
        assert_eq!(long.await.unwrap().unwrap(), 1);
        let replayed = call_for(&engine, operation, "k", &runs, lease).await.unwrap();
        assert_eq!((replayed.unwrap(), runs.count()), (1, 1), "{flavor:?}");
    }
}
