//! What must hold of any bytes that a store gives back as a record, in an engine with a secret.

use std::sync::OnceLock;

use async_trait::async_trait;
use idempotent_core::model::{Outcome, Record, RecordId};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, State, Store, StoreError,
};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use tokio::runtime::{Builder, Runtime};

/// What an engine with this secret wrote.
const AUTHENTIC: [&[u8]; 4] = [
    include_bytes!("../corpus/record/completed"),
    include_bytes!("../corpus/record/tombstone"),
    include_bytes!("../corpus/record/reserved"),
    include_bytes!("../corpus/record/abandoned"),
];

const SECRET: [u8; 32] = [7; 32];

/// That of the key `k` of the operation `charge`, with the secret.
const ID: &str = "charge:6eef5b0fee3b45b6a368ffc8df8e29f41b25d11aad65c43e63af8d785f355652";

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(record) = Record::from_bytes(bytes) else { return };
    assert_eq!(record.as_bytes(), bytes);
    let texts = [record.key(), record.scope(), record.last_error(), Some(record.operation())];
    assert!(texts.into_iter().flatten().all(|text| text.len() <= bytes.len()));
    if let Outcome::Kept(payload) = record.outcome() {
        assert!(payload.len() <= bytes.len());
    }
    assert_eq!(Record::from_bytes(record.abandoned().as_bytes()), Ok(record.abandoned()));

    let (runtime, id) = shared();
    let is_authentic = AUTHENTIC.contains(&bytes);
    runtime.block_on(async {
        let engine = Idempotency::builder(Stored(record, id.clone())).secret(SECRET).build();
        let inspected = engine.inspect(id).await;
        let page = engine.scan(&Scan::all()).await.expect("it is listed");
        assert_eq!(page.entries.len(), usize::from(is_authentic));
        let call = Operation::new("charge").key("k").engine(&engine);
        let call = call.returning::<Result<u64, Error>>();
        let answer = call.run(|| async { panic!("the body runs") }).await;
        if is_authentic {
            assert!(inspected.is_ok(), "{inspected:?}");
        } else {
            assert_eq!(inspected.map_err(|it| it.kind()).err(), Some(ErrorKind::NotAuthentic));
            assert_eq!(answer.map_err(|it| it.kind()), Err(ErrorKind::NotAuthentic));
        }
        // The engine's task has not run yet, and ends when it does.
        drop(engine);
        tokio::task::yield_now().await;
    });
}

/// What all checks share: a runtime, and the id of the only key.
fn shared() -> &'static (Runtime, RecordId) {
    static SHARED: OnceLock<(Runtime, RecordId)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build();
        let id: RecordId = ID.parse().expect("an id");
        (runtime.expect("a runtime can be built"), id)
    })
}

/// A store that answers with one record, whatever it is asked.
struct Stored(Record, RecordId);

impl Stored {
    fn entry(&self) -> Entry {
        let state = match self.0.outcome() {
            Outcome::Reserved => State::Reserved,
            _ => State::Completed,
        };
        Entry::new(self.0.clone(), state, None)
    }
}

#[async_trait]
impl Store for Stored {
    async fn reserve(&self, _: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        Ok(ReserveOutcome::Taken(self.entry()))
    }

    async fn renew(&self, _: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        Ok(RenewOutcome::Lost)
    }

    async fn complete(&self, _: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        Ok(CompleteOutcome::Superseded(self.entry()))
    }

    async fn release(&self, _: &Release<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load(&self, _: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(Some(self.entry()))
    }

    async fn purge(&self, _: &RecordId) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn scan(&self, _: &Scan) -> Result<Page, StoreError> {
        Ok(Page::new(vec![(self.1.clone(), self.entry())], None))
    }
}
