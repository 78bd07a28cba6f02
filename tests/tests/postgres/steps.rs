//! How many statements a call of several steps costs, as the server counts them. On a connection that has prepared them,
//! each is one round trip.

use idempotent_core::{Error, Guarantee, Idempotency, Operation, step};
use idempotent_servers::{Server, require};
use idempotent_tests::Runs;

use crate::setup::{VERSIONS, number};
use crate::statements::Counted;

async fn call<F, Fut>(engine: &Idempotency, key: &str, body: F) -> Result<usize, Error>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<usize, Error>>,
{
    let call = Operation::new("shop::checkout").key(key).engine(engine);
    call.returning::<Result<usize, Error>>().run(body).await
}

async fn note(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    step(name, || async { Ok(runs.note()) }).await
}

async fn once(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    step.returning::<Result<usize, Error>>().run(|| async { Ok(runs.note()) }).await
}

/// An error of a body's own.
async fn failure() -> Error {
    let call = Operation::new("failure").key(&None::<u32>).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap_err()
}

#[tokio::test]
async fn a_call_of_steps_is_one_statement_for_each_and_drops_its_journal_without_one() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let at = Counted::new(version).await;
        let engine = Idempotency::new(at.store.clone());
        let runs = Runs::new();
        let four = || async {
            for name in ["a", "b", "c", "d"] {
                note(name, &runs).await?;
            }
            Ok(4)
        };
        let twice = || async {
            once("a", &runs).await?;
            once("b", &runs).await
        };
        let two = || async {
            note("a", &runs).await?;
            note("b", &runs).await?;
            Err(failure().await)
        };
        // The first call of a connection is not like the others.
        call(&engine, "warm", four).await.unwrap();
        let (statements, ended) = at.of(call(&engine, "four", four)).await;
        assert_eq!((statements, ended.unwrap()), (4 + 2, 4), "four steps");
        let (statements, ended) = at.of(call(&engine, "twice", twice)).await;
        ended.unwrap();
        assert_eq!(statements, 2 * 2 + 2, "two steps at most once");
        let (statements, ended) = at.of(call(&engine, "resumed", two)).await;
        ended.unwrap_err();
        assert_eq!(statements, 1 + 2 + 1, "two steps, and a run that is suspended");
        // It finds the call, takes it, loads its journal, and does what is left.
        let (statements, ended) = at.of(call(&engine, "resumed", four)).await;
        assert_eq!((statements, ended.unwrap()), (1 + 1 + 1 + 2 + 1, 4), "a resumed run");
        let left = "SELECT count(*) FROM idempotent.records_steps";
        assert_eq!(number(&at.server, left).await, 0, "no journal is left");
    }
}
