//! How often a server is asked, and what.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::Complete;
use idempotent_core::{Error, Idempotency, Operation, Store as _};
use idempotent_servers::{Flavor, Redis, Server, TcpProxy, require};

use super::call::{Call, LEASE, due, index, number};

/// A server, and a store whose every byte goes through a proxy.
struct Behind {
    server: Redis,
    proxy: TcpProxy,
    store: RedisStore,
}

impl Behind {
    async fn new(flavor: Flavor) -> Self {
        let server = Redis::builder().flavor(flavor).start().await;
        let proxy = TcpProxy::start(server.address()).await;
        let store = RedisStore::builder(proxy.redis_url());
        let store = store.response_timeout(Duration::from_secs(10)).connect().await.unwrap();
        let at = Self { server, proxy, store };
        // The server knows the scripts, and the subscription has come to rest.
        for _ in 0..2 {
            at.finished(7).await;
            let mut call = Call::suspended(&at.store, Duration::ZERO).await;
            due(&at.store, 1).await;
            call.resume(&at.store).await.unwrap();
            at.store.purge(&call.id).await.unwrap();
        }
        at.proxy.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        at
    }

    /// A call with an input that runs to its end.
    async fn finished(&self, key: u32) {
        let engine = Idempotency::builder(self.store.clone()).build();
        let call = Operation::new("checkout").lease(LEASE).key(&key).engine(&engine);
        let call = call.resume(&"an order").returning::<Result<u32, Error>>();
        assert_eq!(call.run(|| async { Ok(1) }).await.unwrap(), 1);
    }

    async fn trips(&self, what: impl Future) -> u64 {
        let before = self.proxy.counts();
        what.await;
        (self.proxy.counts() - &before).round_trips()
    }
}

async fn count_round_trips(at: &Behind) {
    assert_eq!(at.trips(at.finished(8)).await, 2, "a call with an input is reserved and completed");
    assert_eq!(at.trips(due(&at.store, 16)).await, 1, "a look that finds nothing");
    let mut call = Call::reserve(&at.store).await;
    assert_eq!(at.trips(call.suspend(&at.store, Some(Duration::ZERO))).await, 1);
    assert_eq!(at.trips(due(&at.store, 16)).await, 1 + 1, "a look, and the record that it found");
    assert_eq!(at.trips(call.resume(&at.store)).await, 1);
    let record = call.record.completed(b"result");
    let complete = Complete::new(&call.id, &call.record, &record, LEASE);
    assert_eq!(at.trips(at.store.complete(&complete)).await, 1);
    assert_eq!(number(&at.server, &["EXISTS", &index()]).await, 0);
}

#[tokio::test]
async fn a_call_with_an_input_takes_as_many_round_trips_as_one_without_by_script() {
    require!(Server::Redis);
    count_round_trips(&Behind::new(Flavor::Redis).await).await;
}

#[tokio::test]
async fn a_call_with_an_input_takes_as_many_round_trips_as_one_without_by_ifeq() {
    require!(Server::Valkey91);
    count_round_trips(&Behind::new(Flavor::Valkey91).await).await;
}

#[tokio::test]
async fn a_reservation_with_an_input_whose_answer_is_lost_is_won_once() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    for request in [true, false] {
        if request {
            at.proxy.drop_next_request_of("EVALSHA");
        } else {
            at.proxy.drop_next_reply_to("EVALSHA");
        }
        let mut call = Call::reserve(&at.store).await;
        assert!(!at.proxy.is_armed(), "nothing was lost");
        assert_eq!(number(&at.server, &["ZCARD", &index()]).await, 1);
        call.suspend(&at.store, Some(Duration::ZERO)).await.unwrap();
        assert_eq!(due(&at.store, 1).await, [call.id.clone()]);
        assert!(at.store.purge(&call.id).await.unwrap());
    }
}
