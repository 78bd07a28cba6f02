//! What the cases assert about an id.

use std::time::Duration;

use super::fixture::{Fixture, Owner};
use crate::model::Record;
use crate::store::{Entry, State};

impl Fixture {
    /// Runs a call that should return soon.
    pub(super) async fn expect_soon<T>(&self, what: &str, call: impl Future<Output = T>) -> T {
        match tokio::time::timeout(self.subject.patience(), call).await {
            Ok(value) => value,
            Err(_) => {
                self.hold_up.excuse_nothing();
                panic!("{what} did not return within {:?}", self.subject.patience())
            }
        }
    }

    /// Asserts which record the id has, as seen by both load and reserve.
    pub(super) async fn assert_holds(&self, state: State, record: &Record) {
        let entry = self.load().await.expect("the id has a record");
        assert_eq!(entry.state, state, "the state that load returns");
        assert_eq!(&entry.record, record, "the record that load returns");
        let entry = self.expect_taken().await;
        assert_eq!(entry.state, state, "the state that reserve returns");
        assert_eq!(&entry.record, record, "the record that reserve returns");
    }

    /// Asserts that exactly one of a race has won, however long it took.
    #[track_caller]
    pub(super) fn assert_one_won(&self, wins: usize, what: &str) {
        if wins != 1 {
            self.hold_up.excuse_nothing();
        }
        assert_eq!(wins, 1, "{what}");
    }

    pub(super) async fn assert_reserved(&self, owner: &Owner) {
        self.assert_holds(State::Reserved, &owner.reservation).await;
    }

    pub(super) async fn assert_completed(&self, owner: &Owner, payload: &[u8]) {
        self.assert_holds(State::Completed, &owner.completed(payload)).await;
    }

    pub(super) async fn assert_indeterminate(&self, owner: &Owner) {
        self.assert_holds(State::Indeterminate, &owner.reservation).await;
    }

    /// Asserts that the id is vacant, by reserving it.
    pub(super) async fn assert_vacant(&self) -> Owner {
        if let Some(entry) = self.load().await {
            assert_eq!(entry.state, State::Lapsed, "a vacant id holds {entry:?}");
        }
        self.reserve_at_least_once().await
    }

    /// Asserts the remaining time of an entry, within the subject's tolerance, if the store knows it.
    #[track_caller]
    pub(super) fn assert_remaining(&self, entry: &Entry, expected: Duration) {
        let Some(remaining) = entry.remaining else {
            return;
        };
        let tolerance = self.subject.tolerance() * self.hold_up.factor();
        let least = expected.saturating_sub(tolerance);
        assert!(
            least <= remaining && remaining <= expected,
            "{remaining:?} remain of {:?}, not {least:?} to {expected:?}",
            entry.state
        );
    }
}
