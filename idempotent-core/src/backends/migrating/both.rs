//! [`MigrationMode::Both`](super::MigrationMode::Both): the old store, and then the new one.

use std::time::Duration;

use tokio::time::timeout;

use super::look::{merged, refusal};
use crate::store::{
    Abandon, Complete, CompleteOutcome, IfVacant, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Store, StoreError,
};

/// The share of a lease that a renewal may wait for the new store.
const RENEWAL_SHARE: u32 = 12;

/// Wins both stores, or none.
pub(super) async fn reserve<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    if let ReserveOutcome::Taken(entry) = old.reserve(request).await? {
        let entry = refusal(new, request.id, entry, |old, new| merged(Some(old), new)).await?;
        return Ok(ReserveOutcome::Taken(entry));
    }
    let step_back = Release::new(request.id, request.record());
    match new.reserve(request).await {
        Ok(ReserveOutcome::Won) => Ok(ReserveOutcome::Won),
        Ok(ReserveOutcome::Taken(entry)) => {
            // One with this token is the call's own, of an earlier try of the request. Its effect may have happened.
            if entry.record.token() != request.token() {
                old.release(&step_back).await?;
            }
            Ok(ReserveOutcome::Taken(entry))
        }
        Err(error) => {
            // A refusal is certain. Otherwise the reservation may stand, and whoever sent this releases both.
            if error.is_answer() {
                old.release(&step_back).await?;
            }
            Err(error)
        }
    }
}

/// Renews both. The old store's answer counts: everybody respects its reservation.
pub(super) async fn renew<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Renew<'_>,
) -> Result<RenewOutcome, StoreError> {
    let renewed = old.renew(request).await;
    let limit = (request.lease / RENEWAL_SHARE).max(Duration::from_millis(1));
    match timeout(limit, new.renew(request)).await {
        Ok(Ok(RenewOutcome::Renewed)) => {}
        other => tracing::debug!(
            record = %request.id,
            ?other,
            "the reservation could not be renewed in the new store; that in the old one holds"
        ),
    }
    renewed
}

/// Records a result in the old store, and then in the new one.
pub(super) async fn complete<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    match old.complete(request).await {
        Ok(CompleteOutcome::Recorded) => {
            // What stands in the new store instead is of no call that ran, or of one whose lease had lapsed.
            new.complete(&request.if_vacant(IfVacant::Record)).await?;
            Ok(CompleteOutcome::Recorded)
        }
        Ok(CompleteOutcome::Gone) => new.complete(request).await,
        Ok(superseded) => Ok(superseded),
        Err(error) => {
            // The result is not lost if the old store never comes back. But nobody knows whether that has another
            // owner by now, unless the new one still has this one.
            let _ = new.complete(&request.if_vacant(IfVacant::Refuse)).await;
            Err(error)
        }
    }
}

/// Releases both, in the reverse order of the wins.
pub(super) async fn release<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Release<'_>,
) -> Result<(), StoreError> {
    let released = new.release(request).await;
    old.release(request).await.and(released)
}

/// Abandons both, likewise.
pub(super) async fn abandon<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Abandon<'_>,
) -> Result<(), StoreError> {
    let abandoned = new.abandon(request).await;
    old.abandon(request).await.and(abandoned)
}
