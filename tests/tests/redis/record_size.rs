//! What a record costs in the server's memory.

use idempotent_core::backends::RedisStore;
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Flavor, Redis, Reply, Server, require};

const KEPT_PAYLOADS: [usize; 5] = [0, 20, 200, 1000, 10_000];

/// Allocators hand out memory in steps of up to a quarter of its size.
fn rounded_up(bytes: usize) -> usize {
    bytes + bytes / 4
}

#[tokio::test]
async fn a_record_costs_at_most_200_bytes_more_than_its_result() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Redis::builder().flavor(flavor).start().await;
        let store = RedisStore::builder(server.url())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap();
        let engine = Idempotency::new(store);
        for payload in KEPT_PAYLOADS {
            server.cli(&["FLUSHALL"]).await;
            let result = "x".repeat(payload);
            let returned = Operation::new("shop::charge")
                .key(&("order:", 1_234_567_u64))
                .engine(&engine)
                .returning::<Result<String, idempotent_core::Error>>()
                .run(|| async move { Ok(result) })
                .await;
            returned.unwrap();
            let Reply::Array(keys) = server.cli(&["KEYS", "*"]).await else { panic!("no keys") };
            let usage = server.cli(&["MEMORY", "USAGE", &keys[0].to_string()]).await;
            let Reply::Int(usage) = usage else { panic!("{usage:?}") };
            let most = rounded_up(payload) + 200;
            println!("{flavor:?}: {payload} bytes of result in {usage} bytes");
            assert!(usage <= most as i64, "{flavor:?}: {usage} bytes for {payload}");
        }
    }
}
