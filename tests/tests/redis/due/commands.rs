//! How often a server is asked, and what.

use std::time::{Duration, Instant};

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
        // No call has ended, so the first message is the greeting of a store that listens.
        let first = Call::reserve(&at.store).await;
        at.proxy.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
        at.store.purge(&first.id).await.unwrap();
        // The server learns the scripts.
        for _ in 0..2 {
            at.finished(7).await;
            let mut call = Call::suspended(&at.store, Duration::ZERO).await;
            due(&at.store, 1).await;
            call.resume(&at.store).await.unwrap();
            at.store.purge(&call.id).await.unwrap();
        }
        at.silence().await;
        at
    }

    /// Waits until nothing has gone through for a while: what runs beside the calls is over.
    async fn silence(&self) {
        let (mut before, mut since) = (self.proxy.counts(), Instant::now());
        let begin = Instant::now();
        while since.elapsed() < Duration::from_millis(300) {
            assert!(begin.elapsed() < Duration::from_secs(30), "the store never falls silent");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.proxy.counts();
            if (now.commands(), now.replies()) != (before.commands(), before.replies()) {
                (before, since) = (now, Instant::now());
            }
        }
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

/// Recovery would run it again.
#[tokio::test]
async fn a_call_that_is_resumed_and_declined_during_a_look_is_not_due() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let direct = RedisStore::builder(at.server.url()).connect().await.unwrap();
    let mut call = Call::suspended(&direct, Duration::ZERO).await;
    for (due_in, rest) in [(Some(LEASE), 1), (None, 0)] {
        let before = at.proxy.counts().replies();
        at.proxy.stall_replies();
        let looking = due(&at.store, 16);
        let declined = async {
            // The index has answered, and its answer is held back.
            at.proxy.wait_for(|counts| counts.replies() > before).await;
            call.resume(&direct).await.unwrap();
            call.suspend(&direct, due_in).await.unwrap();
            at.proxy.resume();
        };
        let (found, ()) = tokio::join!(looking, declined);
        assert_eq!(found, [], "{due_in:?}");
        assert_eq!(number(&at.server, &["ZCARD", &index()]).await, rest);
        if rest == 1 {
            at.server.cli(&["ZADD", &index(), "0", &call.entry()]).await;
        }
    }
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
