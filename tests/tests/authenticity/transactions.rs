//! Calls in their callers' transactions.

use idempotent_core::{Error, ErrorKind, Operation};
use idempotent_servers::{Server, require};
use idempotent_tests::{Answer, Runs, call};

use crate::backend::Backend;

const CHARGE: Operation = Operation::new("charge");

/// Calls twice within transactions, and a third time after somebody changed the result.
macro_rules! assert_refused_in_transaction {
    ($backend:ident, $pool:ident) => {
        let (engine, runs) = ($backend.engine(), Runs::new());
        let in_transaction = async || -> Result<usize, Error> {
            let mut tx = $backend.$pool().begin().await.unwrap();
            let call = CHARGE.key("k").engine(&engine).returning::<Answer>();
            let answer = call.run_in(&mut tx, async |_| Ok(runs.note())).await;
            tx.commit().await.unwrap();
            answer
        };
        for _ in 0..2 {
            assert_eq!(in_transaction().await.unwrap(), 1);
        }
        // What was written in a transaction is replayed outside of one, too.
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
        let stored = $backend.bytes("k").await;
        let mut changed = stored.clone();
        changed[stored.len() - 33] = 42;
        $backend.overwrite("k", &changed).await;
        let error = in_transaction().await.unwrap_err();
        assert_eq!((error.kind(), runs.count()), (ErrorKind::NotAuthentic, 1), "{error:?}");
        $backend.overwrite("k", &stored).await;
        assert_eq!(in_transaction().await.unwrap(), 1);
    };
}

#[tokio::test]
async fn a_record_that_was_changed_runs_nothing_in_a_transaction_of_postgres() {
    require!(Server::Postgres);
    let backend = Backend::postgres().await;
    assert_refused_in_transaction!(backend, postgres_pool);
}

#[tokio::test]
async fn a_record_that_was_changed_runs_nothing_in_a_transaction_of_sqlite() {
    let backend = Backend::sqlite().await;
    assert_refused_in_transaction!(backend, sqlite_pool);
}
