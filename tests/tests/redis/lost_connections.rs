//! Connections that are lost: after the server acted, before it did, and while nobody asked.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{
    CompleteOutcome, RenewOutcome, ReserveOutcome, State, Store, StoreErrorKind,
};
use idempotent_servers::{Flavor, Redis, Server, TcpProxy, require};
use idempotent_tests::Attempt;

/// A store that gives a lost connection far longer than it takes to be replaced.
async fn patient(url: String) -> RedisStore {
    let store = RedisStore::builder(url).response_timeout(Duration::from_secs(10));
    store.connect().await.unwrap()
}

/// A store whose every byte goes through a proxy.
struct Behind {
    server: Redis,
    proxy: TcpProxy,
    store: RedisStore,
}

impl Behind {
    async fn new(flavor: Flavor) -> Self {
        let server = Redis::builder().flavor(flavor).start().await;
        let proxy = TcpProxy::start(server.address()).await;
        let store = patient(proxy.redis_url()).await;
        Self { server, proxy, store }
    }

    /// How many round trips a call takes, once the connection and the scripts are there.
    async fn trips<T>(&self, call: impl Future<Output = T>) -> (u64, T) {
        let before = self.proxy.counts();
        let answer = call.await;
        ((self.proxy.counts() - &before).round_trips(), answer)
    }
}

#[tokio::test]
async fn a_reserve_whose_answer_was_lost_has_won() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        at.proxy.drop_next_reply_to("SET");
        attempt.win(&at.store).await;
        assert!(!at.proxy.is_armed(), "an answer was lost");
        let ReserveOutcome::Taken(entry) = attempt.reserve(&at.store).await.unwrap() else {
            panic!("a second caller won");
        };
        assert_eq!(entry.state, State::Reserved);
    }
}

#[tokio::test]
async fn a_reserve_whose_request_was_lost_is_sent_again() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    at.proxy.drop_next_request_of("SET");
    Attempt::new().win(&at.store).await;
    assert!(!at.proxy.is_armed(), "a request was lost");
}

#[tokio::test]
async fn a_look_whose_answer_was_lost_is_sent_again() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let attempt = Attempt::new();
    attempt.win(&at.store).await;
    at.proxy.drop_next_reply_to("EXEC");
    let entry = at.store.load(&attempt.id).await.unwrap().unwrap();
    assert!(!at.proxy.is_armed(), "an answer was lost");
    assert_eq!(entry.state, State::Reserved);
}

#[tokio::test]
async fn by_script_an_answer_that_was_lost_changes_nothing() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    lose_the_answer_to_every_transition(&at, "EVALSHA", "EVALSHA").await;
}

#[tokio::test]
async fn by_ifeq_an_answer_that_was_lost_changes_nothing() {
    require!(Server::Valkey91);
    let at = Behind::new(Flavor::Valkey91).await;
    lose_the_answer_to_every_transition(&at, "SET", "DELIFEQ").await;
}

#[tokio::test]
async fn by_ifeq_and_script_an_answer_that_was_lost_changes_nothing() {
    require!(Server::Valkey81);
    let at = Behind::new(Flavor::Valkey81).await;
    lose_the_answer_to_every_transition(&at, "SET", "EVALSHA").await;
}

async fn lose_the_answer_to_every_transition(at: &Behind, writes: &str, deletes: &str) {
    let warmed_up = Attempt::new();
    let reservation = warmed_up.win(&at.store).await;
    warmed_up.renew(&at.store, &reservation).await.unwrap();
    warmed_up.release(&at.store, &reservation).await.unwrap();
    let reservation = warmed_up.win(&at.store).await;
    warmed_up.record(&at.store, &reservation, b"result").await;

    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.proxy.drop_next_reply_to(writes);
    let renewed = attempt.renew(&at.store, &reservation).await.unwrap();
    assert_eq!((renewed, at.proxy.is_armed()), (RenewOutcome::Renewed, false));
    at.proxy.drop_next_reply_to(writes);
    attempt.record(&at.store, &reservation, b"result").await;
    assert!(!at.proxy.is_armed(), "an answer was lost");
    let entry = at.store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation.completed(b"result"));

    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.proxy.drop_next_reply_to(deletes);
    attempt.release(&at.store, &reservation).await.unwrap();
    assert!(!at.proxy.is_armed(), "an answer was lost");
    assert!(at.store.load(&attempt.id).await.unwrap().is_none());
}

/// A second answer would say that there was nothing to purge.
#[tokio::test]
async fn a_purge_whose_answer_was_lost_is_an_error() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let attempt = Attempt::new();
    // The server learns the script.
    assert!(!at.store.purge(&attempt.id).await.unwrap());
    attempt.win(&at.store).await;
    at.proxy.drop_next_reply_to("EVALSHA");
    let error = at.store.purge(&attempt.id).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(!at.store.purge(&attempt.id).await.unwrap(), "it was purged");
}

#[tokio::test]
async fn a_connection_that_was_cut_while_idle_is_not_noticed_by_callers() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    for _ in 0..3 {
        at.proxy.cut();
        Attempt::new().win(&at.store).await;
    }
}

#[tokio::test]
async fn scripts_survive_script_flush() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    for _ in 0..2 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&at.store).await;
        at.server.cli(&["SCRIPT", "FLUSH"]).await;
        let renewed = attempt.renew(&at.store, &reservation).await.unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed);
        at.server.cli(&["SCRIPT", "FLUSH"]).await;
        attempt.record(&at.store, &reservation, b"result").await;
        let other = Attempt::new();
        let reservation = other.win(&at.store).await;
        at.server.cli(&["SCRIPT", "FLUSH"]).await;
        other.release(&at.store, &reservation).await.unwrap();
        assert!(at.store.load(&other.id).await.unwrap().is_none());
    }
}

/// A server that lost its `IFEQ`, as after a failover to an older one.
#[tokio::test]
async fn a_server_that_does_not_know_ifeq_any_more_is_asked_by_script() {
    require!(Server::Redis, Server::Valkey91);
    let newer = Redis::builder().flavor(Flavor::Valkey91).start().await;
    let older = Redis::start().await;
    let proxies = (TcpProxy::start(newer.address()).await, TcpProxy::start(older.address()).await);
    // One address that leads to the newer server first, and to the older one after.
    let switch = switch::Switch::start(proxies.0.address(), proxies.1.address()).await;
    let store = patient(switch.redis_url()).await;
    assert!(format!("{store:?}").contains("set: true, delete: true"), "{store:?}");
    switch.to_the_second();
    proxies.0.cut();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    assert_eq!(attempt.renew(&store, &reservation).await.unwrap(), RenewOutcome::Renewed);
    attempt.record(&store, &reservation, b"result").await;
    assert!(format!("{store:?}").contains("set: false, delete: true"), "{store:?}");
    let other = Attempt::new();
    let reservation = other.win(&store).await;
    other.release(&store, &reservation).await.unwrap();
    assert!(format!("{store:?}").contains("set: false, delete: false"), "{store:?}");
    assert!(store.load(&other.id).await.unwrap().is_none());
    let late = attempt.complete(&store, &reservation, b"late").await.unwrap();
    assert!(matches!(late, CompleteOutcome::Superseded(_)), "{late:?}");
}

#[tokio::test]
async fn round_trips_by_script_are_as_few_as_promised() {
    require!(Server::Redis);
    count_round_trips(&Behind::new(Flavor::Redis).await).await;
}

#[tokio::test]
async fn round_trips_by_ifeq_are_as_few_as_promised() {
    require!(Server::Valkey91);
    count_round_trips(&Behind::new(Flavor::Valkey91).await).await;
}

async fn count_round_trips(at: &Behind) {
    let warmed_up = Attempt::new();
    let reservation = warmed_up.win(&at.store).await;
    // No call has ended, so the first message is the greeting of a store that listens.
    at.proxy.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
    // The server learns the scripts.
    warmed_up.renew(&at.store, &reservation).await.unwrap();
    warmed_up.record(&at.store, &reservation, b"result").await;

    let attempt = Attempt::new();
    let (trips, reservation) = at.trips(attempt.win(&at.store)).await;
    assert_eq!(trips, 1, "a reserve");
    let (trips, _) = at.trips(attempt.reserve(&at.store)).await;
    assert_eq!(trips, 2, "a conflict");
    let (trips, _) = at.trips(attempt.renew(&at.store, &reservation)).await;
    assert_eq!(trips, 1, "a renewal");
    let (trips, ()) = at.trips(attempt.record(&at.store, &reservation, b"result")).await;
    assert_eq!(trips, 1, "a complete");
    let (trips, _) = at.trips(attempt.reserve(&at.store)).await;
    assert_eq!(trips, 1, "a replay");
    let (trips, _) = at.trips(at.store.load(&attempt.id)).await;
    assert_eq!(trips, 1, "a look");
}

/// An address that leads to one server, and then to another.
mod switch {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::net::{TcpListener, TcpStream};

    pub(super) struct Switch {
        address: SocketAddr,
        is_second: Arc<AtomicBool>,
    }

    impl Switch {
        pub(super) async fn start(first: SocketAddr, second: SocketAddr) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let is_second = Arc::new(AtomicBool::new(false));
            let switched = is_second.clone();
            tokio::spawn(async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let to = if switched.load(Ordering::SeqCst) { second } else { first };
                    tokio::spawn(async move {
                        let mut server = TcpStream::connect(to).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    });
                }
            });
            Self { address, is_second }
        }

        pub(super) fn redis_url(&self) -> String {
            format!("redis://{}", self.address)
        }

        pub(super) fn to_the_second(&self) {
            self.is_second.store(true, Ordering::SeqCst);
        }
    }
}
