//! Waiting: it ends when the reservation may have, and touches nothing.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::record::Guarantee;

use super::scene::{Owner, Scene};

/// Longer than any case's patience.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// How long waiters are given to begin, so that the wake-up is what ends them.
const BEGINNING: Duration = Duration::from_millis(30);

const WAITERS: usize = 40;

/// Waiters on an owner's reservation, every other one elsewhere.
async fn waiters(at: &Scene, owner: &Owner, count: usize) -> JoinSet<()> {
    let mut waiting = JoinSet::new();
    for waiter in 0..count {
        let token = owner.token();
        let at = if waiter % 2 == 0 { at.clone() } else { at.elsewhere() };
        waiting.spawn(async move { at.wait(token, AN_HOUR).await });
    }
    tokio::time::sleep(BEGINNING).await;
    waiting
}

pub(super) async fn a_wait_ends_when_the_call_completes(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = waiters(&at, &owner, 2).await;
    at.record(&owner, b"result").await;
    at.soon("a wait on a completed call", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_call_is_released(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = waiters(&at, &owner, 2).await;
    at.release(&owner).await;
    at.soon("a wait on a released call", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_id_is_purged(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = waiters(&at, &owner, 2).await;
    at.purge().await;
    at.soon("a wait on a purged id", waiting.join_all()).await;
}

pub(super) async fn a_wait_ends_when_the_lease_lapses(at: Scene) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let at = at.another();
        let owner = at.reserve(guarantee).await;
        let waiting = waiters(&at, &owner, 2).await;
        at.lapse().await;
        at.soon("a wait on a lapsed lease", waiting.join_all()).await;
    }
}

/// A renewal moves the lapse; the waiter must neither miss the new one nor the completion.
pub(super) async fn a_wait_ends_when_a_renewed_call_completes(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = waiters(&at, &owner, 2).await;
    at.advance(at.lease() / 2).await;
    at.renew(&owner, at.lease()).await;
    at.advance(at.lease() * 3 / 4).await;
    at.record(&owner, b"result").await;
    at.soon("a wait on a renewed call", waiting.join_all()).await;
}

pub(super) async fn every_waiter_wakes(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = waiters(&at, &owner, WAITERS).await;
    at.record(&owner, b"result").await;
    let woken = at.soon("one of many waits", waiting.join_all()).await;
    assert_eq!(woken.len(), WAITERS);
}

pub(super) async fn a_wait_ends_at_once_where_nothing_is_reserved(at: Scene) {
    let unknown = Owner::unknown();
    let vacant = at.wait(unknown.token(), AN_HOUR);
    at.soon("a wait on a vacant id", vacant).await;
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    let completed = at.wait(owner.token(), AN_HOUR);
    at.soon("a wait on a completed id", completed).await;
}

pub(super) async fn a_wait_ends_at_once_where_another_token_stands(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.release(&owner).await;
    let successor = at.reserve_once_more().await;
    let waiting = at.wait(owner.token(), AN_HOUR);
    at.soon("a wait on a token that is gone", waiting).await;
    at.stands_reserved(&successor).await;
}

/// By whichever clock the store counts it, the wall's or its own.
pub(super) async fn a_wait_ends_with_its_timeout_and_touches_nothing(at: Scene) {
    let owner = at.reserve_once_more().await;
    let timeout = (at.lease() / 4).min(Duration::from_millis(50));
    let waiting = tokio::spawn({
        let (at, token) = (at.clone(), owner.token());
        async move { at.wait(token, timeout).await }
    });
    tokio::time::sleep(BEGINNING).await;
    at.advance(timeout).await;
    at.soon("a wait whose time is over", waiting).await.expect("the store waits without panicking");
    at.stands_reserved(&owner).await;
}

pub(super) async fn a_wait_without_end_is_a_wait(at: Scene) {
    let owner = at.reserve_once_more().await;
    let waiting = tokio::spawn({
        let (at, token) = (at.clone(), owner.token());
        async move { at.wait(token, Duration::MAX).await }
    });
    tokio::time::sleep(BEGINNING).await;
    at.release(&owner).await;
    at.soon("a wait without end", waiting).await.expect("the store waits without panicking");
}
