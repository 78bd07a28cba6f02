//! How often a server is asked, and what.

use idempotent_core::{Error, Idempotency};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Runs;

use super::run::{Behind, Run, call, failure, once, step};

impl Behind {
    /// An engine whose scripts the server knows, and whose subscription has come to rest.
    async fn warmed_up(&self) -> Idempotency {
        let engine = Idempotency::builder(self.store.clone()).build();
        // No call has ended, so the first message is the greeting of a store that listens.
        let run = Run::begin(&self.store).await;
        self.proxy.wait_for(|counts| counts.commands_of("SPUBLISH") > 0).await;
        run.attempt.release(&self.store, &run.plain).await.unwrap();
        let runs = Runs::new();
        call(&engine, "warm", || async { step("first", &Runs::new()).await }).await.unwrap();
        for _ in 0..2 {
            let ended = call(&engine, "steps", || async {
                once("begun", &runs).await?;
                step("a", &runs).await?;
                if runs.count() < 3 {
                    runs.note();
                    return Err(failure().await);
                }
                Ok(1)
            });
            let _: Result<usize, Error> = ended.await;
        }
        engine
    }

    async fn trips(&self, ended: impl Future<Output = Result<usize, Error>>) -> u64 {
        let before = self.proxy.counts();
        ended.await.unwrap();
        (self.proxy.counts() - &before).round_trips()
    }
}

async fn count_round_trips(at: &Behind) {
    let engine = at.warmed_up().await;
    let runs = Runs::new();
    let four = || async {
        for name in ["a", "b", "c", "d"] {
            step(name, &runs).await?;
        }
        Ok(4)
    };
    assert_eq!(at.trips(call(&engine, "four", four)).await, 4 + 2, "four steps");
    let twice = || async {
        once("a", &runs).await?;
        once("b", &runs).await
    };
    assert_eq!(at.trips(call(&engine, "twice", twice)).await, 2 * 2 + 2, "two at most once");
    assert_eq!(runs.count(), 6);

    let refused = call(&engine, "resumed", || async {
        step("a", &runs).await?;
        step("b", &runs).await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    // Every conflict is two: one that does not win, and one that tells its state. Then the call is taken, its journal
    // loaded, and what is left of it is done.
    let trips = at.trips(call(&engine, "resumed", four)).await;
    assert_eq!(trips, 2 + 1 + 1 + 2 + 1, "a resumed run with two steps left");
    assert_eq!(runs.count(), 6 + 2 + 2);
    assert_eq!(at.number(&["DBSIZE"]).await, 5, "no journal is left");
}

#[tokio::test]
async fn a_call_of_steps_takes_one_round_trip_for_each_by_script() {
    require!(Server::Redis);
    count_round_trips(&Behind::new(Flavor::Redis).await).await;
}

#[tokio::test]
async fn a_call_of_steps_takes_one_round_trip_for_each_by_ifeq() {
    require!(Server::Valkey91);
    count_round_trips(&Behind::new(Flavor::Valkey91).await).await;
}

/// What the server is sent for one call that records no step.
async fn sent_for_a_plain_call(flavor: Flavor) -> Vec<(String, u64)> {
    let at = Behind::new(flavor).await;
    let engine = at.warmed_up().await;
    let before = at.proxy.counts();
    call(&engine, "plain", || async { Ok(1) }).await.unwrap();
    let sent = at.proxy.counts() - &before;
    sent.by_name().iter().map(|(name, count)| (name.clone(), *count)).collect()
}

#[tokio::test]
async fn a_call_without_steps_sends_what_it_did_before_there_were_any() {
    require!(Server::Redis, Server::Valkey91);
    let by_script = [("EVALSHA".to_owned(), 1), ("SET".to_owned(), 1)];
    assert_eq!(sent_for_a_plain_call(Flavor::Redis).await, by_script);
    assert_eq!(sent_for_a_plain_call(Flavor::Valkey91).await, [("SET".to_owned(), 2)]);
}
