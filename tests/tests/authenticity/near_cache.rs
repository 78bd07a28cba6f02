//! Copies in this process's memory of records that were changed where they came from.

use idempotent_core::backends::NearCache;
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Runs, call};

use crate::backend::{Backend, SECRET};

const CHARGE: Operation = Operation::new("charge");

#[tokio::test]
async fn a_copy_is_believed_no_more_than_its_original() {
    let backend = Backend::sqlite().await;
    let cache = NearCache::new(backend.store.clone());
    let engine = Idempotency::builder(cache).secret(SECRET).build();
    let runs = Runs::new();
    call(&backend.engine(), CHARGE, "k", &runs).await.unwrap();
    let stored = backend.bytes("k").await;
    let mut changed = stored.clone();
    let payload = stored.len() - 33;
    changed[payload] = 42;
    backend.overwrite("k", &changed).await;
    // From the store, and then from the copy.
    for _ in 0..3 {
        let error = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
        assert_eq!((error.kind(), runs.count()), (ErrorKind::NotAuthentic, 1), "{error:?}");
    }
    let id = engine.record_id("charge", None, "k").unwrap();
    assert!(engine.purge(&id).await.unwrap());
    for _ in 0..3 {
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 2);
    }
}
