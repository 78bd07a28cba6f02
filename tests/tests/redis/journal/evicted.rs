//! A record without its journal, and a journal without its record: what a server leaves that evicts keys.

use idempotent_core::engine::Resolution;
use idempotent_core::store::{Scan, Store, StoreErrorKind};
use idempotent_core::{ErrorKind, Idempotency};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Runs;

use super::run::{Behind, RECORDED, Run, call, entry, failure, step};

impl Behind {
    /// Deletes the only key that there is of a kind.
    async fn evict(&self, pattern: &str) {
        let found = self.server.cli(&["EVAL", EVICT, "0", pattern]).await;
        assert_eq!(found.to_string(), "1", "{pattern}");
    }
}

const EVICT: &str = "local keys = redis.call('KEYS', ARGV[1])
    return redis.call('DEL', unpack(keys))";

const JOURNAL: &str = "idem:checkout:*}";
const RECORD: &str = "idem:checkout:*[^}]";

#[tokio::test]
async fn a_journal_that_was_evicted_alone_is_an_error_and_no_run() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let engine = Idempotency::builder(at.store.clone()).build();
    let runs = Runs::new();
    let refused = call(&engine, "7", || async {
        step("charge", &runs).await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    at.evict(JOURNAL).await;
    for _ in 0..2 {
        let refused = call(&engine, "7", || async {
            runs.note();
            step("charge", &runs).await
        });
        let refused = refused.await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Incompatible);
        assert!(refused.to_string().contains("gone without its record"), "{refused}");
    }
    assert_eq!(runs.count(), 1);
    // Nobody knows what it did, until somebody says so.
    let found = engine.scan(&Scan::in_doubt()).await.unwrap().entries.remove(0);
    assert!(found.is_in_doubt());
    let seen = engine.inspect(found.id()).await.unwrap().unwrap();
    for seen in [&found, &seen] {
        assert_eq!((seen.steps().len(), seen.is_in_doubt()), (0, true));
        assert!(seen.steps_unread().unwrap().contains("its journal is lost"));
    }
    engine.resolve(&seen, Resolution::completed(1_usize)).await.unwrap();
    assert_eq!(call(&engine, "7", || step("charge", &runs)).await.unwrap(), 1);
    assert_eq!(runs.count(), 1);
    assert!(engine.scan(&Scan::in_doubt()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_journal_that_is_evicted_while_its_call_runs_is_not_begun_anew() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let engine = Idempotency::builder(at.store.clone()).build();
    let runs = Runs::new();
    let refused = call(&engine, "7", || async {
        step("charge", &runs).await?;
        at.evict(JOURNAL).await;
        step("ship", &runs).await
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store, "{refused}");
    let again = call(&engine, "7", || step("charge", &runs)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Incompatible, "{again}");
    assert_eq!(runs.count(), 2);
    // Whoever knows what the call did may free its key.
    let id = engine.record_id("checkout", None, "7").unwrap();
    assert!(engine.purge(&id).await.unwrap());
    call(&engine, "7", || step("charge", &runs)).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_won_anew_loads_nothing_of_one_whose_record_was_evicted() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let engine = Idempotency::builder(at.store.clone()).build();
    let runs = Runs::new();
    let interrupted = async |name| {
        let refused = call(&engine, "7", || async {
            step(name, &runs).await?;
            Err(failure().await)
        });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::MissingKey);
    };
    interrupted("charge").await;
    at.evict(RECORD).await;
    interrupted("ship").await;
    assert_eq!(at.number(&["DBSIZE"]).await, 2);
    // Had it the old step, the call would have to ask for it.
    call(&engine, "7", || step("ship", &runs)).await.unwrap();
    assert_eq!(runs.count(), 2);
}

#[tokio::test]
async fn a_journal_is_read_by_its_own_name_alone() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    let (journal, id) = (at.store.journal().unwrap(), &run.attempt.id);
    let other = Run::begin(&at.store).await.plain.token();
    assert!(journal.load_steps(id, other).await.unwrap().is_empty());
    let field = at.server.cli(&["HSET", &run.keys().1, "a step", "an entry"]).await;
    assert_eq!(field.to_string(), "1");
    let refused = journal.load_steps(id, run.plain.token()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed);
    at.server.cli(&["DEL", &run.keys().1]).await;
    at.server.cli(&["SET", &run.keys().1, "no journal"]).await;
    let refused = journal.load_steps(id, run.plain.token()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed);
    let refused = run.write(&at.store, "ship", &entry(RECORDED, 2)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed);
}
