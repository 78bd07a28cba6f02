//! The store of the example `custom_store`, held to the contract, and what its file survives.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::model::{Envelope, RecordId, Token};
use idempotent_core::store::{Complete, Reserve, State};
use idempotent_core::testing::contract::Subject;

#[expect(dead_code, reason = "the example's own program")]
#[path = "../../examples/basics/custom_store.rs"]
mod custom_store;

use custom_store::JournalStore;

/// A journal in a file of its own, which goes with it.
struct Journal {
    store: Arc<JournalStore>,
    path: PathBuf,
}

impl Journal {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("{}.journal", Token::random()));
        Self { store: Arc::new(JournalStore::open(&path).expect("the journal starts")), path }
    }

    /// What a process that starts later finds.
    fn reopened(&self) -> JournalStore {
        JournalStore::open(&self.path).expect("the journal opens again")
    }

    /// Completes a fresh id.
    async fn complete(&self) -> RecordId {
        let id = RecordId::of("charge", None, &Token::random().to_string()).expect("an id");
        let request = Reserve::new(&id, Envelope::new("charge"));
        self.store.reserve(&request).await.expect("it reserves");
        let completed = request.record().completed(b"receipt");
        let ttl = Duration::from_secs(60);
        let complete = Complete::new(&id, request.record(), &completed, ttl);
        self.store.complete(&complete).await.expect("it completes");
        id
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[async_trait::async_trait]
impl Subject for Journal {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// The wall's clock judges, so time passes by itself.
    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(600)
    }

    fn tolerance(&self) -> Duration {
        Duration::from_millis(300)
    }
}

mod contract {
    use super::Journal;

    idempotent_core::testing::contract_tests! { Journal::new() }
}

#[tokio::test]
async fn what_was_completed_is_there_when_the_journal_is_opened_again() {
    let journal = Journal::new();
    let id = journal.complete().await;

    let found = journal.reopened().load(&id).await.unwrap().unwrap();

    assert_eq!(found.state, State::Completed);
    assert_eq!(found.record, journal.store.load(&id).await.unwrap().unwrap().record);
}

#[tokio::test]
async fn half_a_line_at_the_end_costs_no_record_before_it() {
    let journal = Journal::new();
    let (first, second) = (journal.complete().await, journal.complete().await);
    let text = fs::read_to_string(&journal.path).unwrap();
    fs::write(&journal.path, &text[..text.len() - 10]).unwrap();

    let store = journal.reopened();

    assert_eq!(store.load(&first).await.unwrap().unwrap().state, State::Completed);
    // Its last step was cut short, and the one before it stands.
    assert_eq!(store.load(&second).await.unwrap().unwrap().state, State::Reserved);
}

#[test]
fn a_file_that_is_no_journal_is_refused() {
    let journal = Journal::new();
    fs::write(&journal.path, "charge:00 never ff\n").unwrap();
    assert!(JournalStore::open(&journal.path).is_err());
}
