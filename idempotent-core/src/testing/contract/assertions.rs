//! What the cases assert of an id.

use std::time::Duration;

use super::scene::{Owner, Scene};
use crate::record::Record;
use crate::store::{Entry, State};

impl Scene {
    /// Runs what should return soon.
    pub(super) async fn soon<T>(&self, what: &str, call: impl Future<Output = T>) -> T {
        match tokio::time::timeout(self.subject.patience(), call).await {
            Ok(value) => value,
            Err(_) => panic!("{what} did not return within {:?}", self.subject.patience()),
        }
    }

    /// Asserts what stands under the id, to every kind of look.
    pub(super) async fn stands(&self, state: State, record: &Record) {
        let entry = self.load().await.expect("something stands under the id");
        assert_eq!(entry.state, state, "the state that load tells");
        assert_eq!(&entry.record, record, "the record that load tells");
        let entry = self.refused().await;
        assert_eq!(entry.state, state, "the state that reserve tells");
        assert_eq!(&entry.record, record, "the record that reserve tells");
    }

    pub(super) async fn stands_reserved(&self, owner: &Owner) {
        self.stands(State::Reserved, &owner.reservation).await;
    }

    pub(super) async fn stands_completed(&self, owner: &Owner, payload: &[u8]) {
        self.stands(State::Completed, &owner.completed(payload)).await;
    }

    pub(super) async fn stands_indeterminate(&self, owner: &Owner) {
        self.stands(State::Indeterminate, &owner.reservation).await;
    }

    /// Asserts that the id is vacant, by taking it.
    pub(super) async fn is_vacant(&self) -> Owner {
        if let Some(entry) = self.load().await {
            assert_eq!(entry.state, State::Lapsed, "a vacant id holds {entry:?}");
        }
        self.reserve_once_more().await
    }

    /// Asserts an entry's remaining time: exact within the subject's tolerance, or not told.
    #[track_caller]
    pub(super) fn remains(&self, entry: &Entry, expected: Duration) {
        let Some(remaining) = entry.remaining else {
            return;
        };
        let least = expected.saturating_sub(self.subject.tolerance());
        assert!(
            least <= remaining && remaining <= expected,
            "{remaining:?} remain of {:?}, not {least:?} to {expected:?}",
            entry.state
        );
    }
}
