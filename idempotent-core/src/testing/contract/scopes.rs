//! Counting what a scope keeps. A store that does not count has nothing to check.

use std::time::Duration;

use super::fixture::{Fixture, Owner, expect_answer, fresh_id};
use crate::model::{Guarantee, ScopeId, Token};
use crate::store::ScopeUse;

const MANY: u64 = 1000;

/// A scope of its own, and an id that counts for it.
struct Scoped {
    scope: ScopeId,
    fixture: Fixture,
}

impl Scoped {
    fn new(fixture: &Fixture) -> Self {
        let scope = ScopeId::from_bytes(*Token::random().as_bytes());
        let id = fresh_id(fixture.id.operation()).counted_for(Some(scope));
        Self { scope, fixture: fixture.with_id(id) }
    }

    /// Another id that counts for the same scope.
    fn another(&self) -> Self {
        let id = fresh_id(self.fixture.id.operation()).counted_for(Some(self.scope));
        Self { scope: self.scope, fixture: self.fixture.with_id(id) }
    }

    /// What the scope keeps; `None` if the store does not count. A store may take what has expired for live as
    /// long as that makes no difference to who asks.
    async fn found(&self, up_to: u64) -> Option<ScopeUse> {
        expect_answer(self.fixture.store.scope_use(&self.scope, up_to).await)
    }

    async fn records(&self) -> Option<u64> {
        self.found(MANY).await.map(|found| found.records)
    }

    /// Whether nothing is left.
    async fn is_empty(&self) -> bool {
        self.found(1).await.is_none_or(|found| found == ScopeUse::default())
    }
}

pub(super) async fn a_scope_has_its_own_records_and_no_others(fixture: Fixture) {
    let (scoped, other) = (Scoped::new(&fixture), Scoped::new(&fixture));
    if scoped.records().await.is_none() {
        return;
    }
    assert!(scoped.is_empty().await);
    fixture.reserve_at_least_once().await;
    scoped.fixture.reserve_at_least_once().await;
    scoped.another().fixture.reserve(Guarantee::AtMostOnce).await;
    other.fixture.reserve_at_least_once().await;
    assert_eq!((scoped.records().await, other.records().await), (Some(2), Some(1)));
}

pub(super) async fn a_result_counts_for_its_scope_until_its_ttl_ends(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let scoped = Scoped::new(&fixture);
        if scoped.records().await.is_none() {
            return;
        }
        let owner = scoped.fixture.reserve(guarantee).await;
        scoped.fixture.expect_recorded(&owner, b"result").await;
        scoped.fixture.let_lease_expire().await;
        assert_eq!(scoped.records().await, Some(1), "{guarantee:?}");
        scoped.fixture.advance(fixture.ttl()).await;
        assert!(scoped.is_empty().await, "{guarantee:?}");
    }
}

pub(super) async fn a_scopes_bytes_grow_with_its_results(fixture: Fixture) {
    let scoped = Scoped::new(&fixture);
    let Some(before) = scoped.found(MANY).await else { return };
    let owner = scoped.fixture.reserve_at_least_once().await;
    let result = [7; 10_000];
    scoped.fixture.expect_recorded(&owner, &result).await;
    let after = scoped.found(MANY).await.expect("it counted before");
    let grown = after.bytes - before.bytes;
    assert!((10_000..12_000).contains(&grown), "{grown}");
}

pub(super) async fn a_scope_tells_how_many_of_its_records_are_indeterminate(fixture: Fixture) {
    let scoped = Scoped::new(&fixture);
    if scoped.records().await.is_none() {
        return;
    }
    let lost = scoped.fixture.reserve(Guarantee::AtMostOnce).await;
    scoped.another().fixture.reserve(Guarantee::AtMostOnce).await;
    if fixture.subject.abandons() {
        scoped.fixture.abandon(&lost, &lost.reservation.abandoned()).await;
        let found = scoped.found(MANY).await.expect("it counted before");
        assert_eq!((found.records, found.indeterminate), (2, 1));
    }
}

pub(super) async fn a_late_result_counts_for_its_scope(fixture: Fixture) {
    let scoped = Scoped::new(&fixture);
    if scoped.records().await.is_none() {
        return;
    }
    scoped.fixture.expect_recorded(&Owner::unknown(), b"late").await;
    assert_eq!(scoped.records().await, Some(1));
    scoped.fixture.advance(fixture.ttl() + Duration::from_millis(1)).await;
    assert!(scoped.is_empty().await);
}
