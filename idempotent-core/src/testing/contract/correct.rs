//! Correcting a completed record. A store that does not correct has nothing to check.

use super::fixture::{Fixture, Owner, expect_answer};
use crate::model::{Guarantee, Outcome, Record};
use crate::store::{Correct, CorrectOutcome, State};

impl Fixture {
    /// Whether the record was corrected; `None` if the store does not correct any.
    async fn correct(&self, seen: &Record, record: &Record) -> Option<bool> {
        let request = Correct::new(&self.id, seen, record, self.ttl());
        match expect_answer(self.store.correct(&request).await) {
            CorrectOutcome::Corrected => Some(true),
            CorrectOutcome::Changed => Some(false),
            CorrectOutcome::Unsupported => None,
        }
    }

    /// A completed record under the id, and its owner.
    async fn completed(&self, guarantee: Guarantee) -> (Owner, Record) {
        let owner = self.reserve(guarantee).await;
        self.expect_recorded(&owner, b"wrong").await;
        let record = owner.completed(b"wrong");
        (owner, record)
    }
}

pub(super) async fn a_correction_replaces_the_record_that_was_seen(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let (owner, seen) = fixture.completed(guarantee).await;
        fixture.advance(fixture.lease() / 2).await;
        let right = owner.completed(b"right");
        let Some(corrected) = fixture.correct(&seen, &right).await else { return };
        assert!(corrected, "{guarantee:?}");
        let found = fixture.expect_taken().await;
        assert_eq!(found.state, State::Completed);
        assert_eq!(found.record.outcome(), Outcome::Kept(b"right"));
        assert_eq!(found.record.token(), owner.token());
        // Its ttl begins again.
        fixture.advance(fixture.ttl() - fixture.lease() / 2).await;
        assert_eq!(fixture.expect_taken().await.record, right);
        fixture.advance(fixture.lease()).await;
        fixture.reserve(guarantee).await;
    }
}

pub(super) async fn a_repeated_correction_has_corrected(fixture: Fixture) {
    let (owner, seen) = fixture.completed(Guarantee::AtMostOnce).await;
    let right = owner.completed(b"right");
    for _ in 0..2 {
        let Some(corrected) = fixture.correct(&seen, &right).await else { return };
        assert!(corrected);
    }
    assert_eq!(fixture.expect_taken().await.record, right);
}

pub(super) async fn a_correction_of_another_record_changes_nothing(fixture: Fixture) {
    let (owner, seen) = fixture.completed(Guarantee::AtMostOnce).await;
    let (another, right) = (owner.completed(b"another"), owner.completed(b"right"));
    let Some(corrected) = fixture.correct(&another, &right).await else { return };
    assert!(!corrected);
    assert_eq!(fixture.expect_taken().await.record, seen);
}

pub(super) async fn a_reservation_is_not_corrected(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    let right = owner.completed(b"right");
    let Some(corrected) = fixture.correct(&owner.reservation, &right).await else { return };
    assert!(!corrected);
    assert_eq!(fixture.expect_taken().await.record, owner.reservation);
}

pub(super) async fn a_vacant_id_is_not_corrected(fixture: Fixture) {
    let owner = Owner::unknown();
    let (seen, right) = (owner.completed(b"wrong"), owner.completed(b"right"));
    let Some(corrected) = fixture.correct(&seen, &right).await else { return };
    assert!(!corrected);
    fixture.reserve_at_least_once().await;
}
