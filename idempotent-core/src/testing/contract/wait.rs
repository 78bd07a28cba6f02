//! Waiting: it ends when the reservation may have ended, and changes nothing.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::model::{Guarantee, Record};

use super::fixture::{AN_HOUR, Fixture, Owner};

/// Enough time for waiters to start waiting, so that they must be woken.
const START: Duration = Duration::from_millis(30);

const WAITERS: usize = 40;

/// Waiters for an owner's reservation, every other one in another process.
async fn waiters(fixture: &Fixture, owner: &Owner, count: usize) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    for waiter in 0..count {
        let token = owner.token();
        let fixture = if waiter % 2 == 0 { fixture.clone() } else { fixture.other_process() };
        waiting.spawn(async move { fixture.wait(token, AN_HOUR).await });
    }
    tokio::time::sleep(START).await;
    waiting
}

pub(super) async fn a_wait_ends_when_the_call_completes(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = waiters(&fixture, &owner, 2).await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.expect_soon("a wait on a completed call", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_call_is_released(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = waiters(&fixture, &owner, 2).await;
    fixture.release(&owner).await;
    fixture.expect_soon("a wait on a released call", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_call_is_abandoned_or_held(fixture: Fixture) {
    if !fixture.subject.abandons() {
        return;
    }
    let marks: [fn(&Record) -> Record; 2] = [Record::abandoned, Record::held];
    for mark in marks {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(Guarantee::AtMostOnce).await;
        let waiting = waiters(&fixture, &owner, 2).await;
        fixture.abandon(&owner, &mark(&owner.reservation)).await;
        fixture.expect_soon("a wait on an abandoned call", waiting.join_all()).await;
    }
}

pub(super) async fn a_wait_ends_when_the_id_is_purged(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = waiters(&fixture, &owner, 2).await;
    fixture.purge().await;
    fixture.expect_soon("a wait on a purged id", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_lease_lapses(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        let waiting = waiters(&fixture, &owner, 2).await;
        fixture.let_lease_expire().await;
        fixture.expect_soon("a wait on a lapsed lease", waiting.join_all()).await;
    }
}

/// A renewal extends the lease. A waiter must not miss the completion after it.
pub(super) async fn a_wait_ends_when_a_renewed_call_completes(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = waiters(&fixture, &owner, 2).await;
    fixture.advance(fixture.lease() / 2).await;
    fixture.renew(&owner, fixture.lease()).await;
    fixture.advance(fixture.lease() * 3 / 4).await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.expect_soon("a wait on a renewed call", waiting.join_all()).await;
}

pub(super) async fn every_waiter_wakes(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = waiters(&fixture, &owner, WAITERS).await;
    fixture.expect_recorded(&owner, b"result").await;
    let woken = fixture.expect_soon("one of many waits", waiting.join_all()).await;
    assert_eq!(woken.len(), WAITERS);
}

pub(super) async fn a_wait_ends_at_once_where_nothing_is_reserved(fixture: Fixture) {
    let unknown = Owner::unknown();
    let vacant = fixture.wait(unknown.token(), AN_HOUR);
    fixture.expect_soon("a wait on a vacant id", vacant).await;
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    let completed = fixture.wait(owner.token(), AN_HOUR);
    fixture.expect_soon("a wait on a completed id", completed).await;
}

pub(super) async fn a_wait_ends_at_once_where_another_token_stands(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.release(&owner).await;
    let successor = fixture.reserve_at_least_once().await;
    let waiting = fixture.wait(owner.token(), AN_HOUR);
    fixture.expect_soon("a wait on a token that is gone", waiting).await;
    fixture.assert_reserved(&successor).await;
}

/// The store may measure the timeout by its own clock or by real time.
pub(super) async fn a_wait_ends_with_its_timeout_and_touches_nothing(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let timeout = (fixture.lease() / 4).min(Duration::from_millis(50));
    let waiting = tokio::spawn({
        let (fixture, token) = (fixture.clone(), owner.token());
        async move { fixture.wait(token, timeout).await }
    });
    tokio::time::sleep(START).await;
    fixture.advance(timeout).await;
    fixture
        .expect_soon("a wait whose time is over", waiting)
        .await
        .expect("the store waits without panicking");
    fixture.assert_reserved(&owner).await;
}

pub(super) async fn a_wait_without_end_is_a_wait(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let waiting = tokio::spawn({
        let (fixture, token) = (fixture.clone(), owner.token());
        async move { fixture.wait(token, Duration::MAX).await }
    });
    tokio::time::sleep(START).await;
    fixture.release(&owner).await;
    fixture
        .expect_soon("a wait without end", waiting)
        .await
        .expect("the store waits without panicking");
}
