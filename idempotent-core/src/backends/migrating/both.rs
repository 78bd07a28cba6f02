//! [`MigrationMode::Both`](super::MigrationMode::Both): the old store, and then the new one.

use tokio::time::timeout;

use super::join::join;
use super::limits::{from_second, renewal_limit, result_limit};
use super::look::{merged, refusal};
use crate::store::{
    Abandon, Complete, CompleteOutcome, IfVacant, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Store, StoreError,
};

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
    match from_second(request.record().lease(), new.reserve(request)).await {
        Ok(ReserveOutcome::Won) => Ok(ReserveOutcome::Won),
        Ok(ReserveOutcome::Taken(entry)) => {
            // One with this token is the call's own, of an earlier try of the request. Its effect may have happened.
            if entry.record.token() != request.token() {
                // Nobody else releases it after this answer. An error makes the engine try again.
                old.release(&step_back).await?;
            }
            Ok(ReserveOutcome::Taken(entry))
        }
        Err(error) => {
            // Nothing runs with this token. If it stayed, the call would become indeterminate under *at most once* for
            // every key that is asked for while the new store is away or hangs. What may stand in the new store is released
            // by whoever sent this, unless the error is a refusal.
            old.release(&step_back).await?;
            Err(error)
        }
    }
}

/// Renews both at once. The old store's answer counts: everybody respects its reservation.
pub(super) async fn renew<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Renew<'_>,
) -> Result<RenewOutcome, StoreError> {
    let limit = renewal_limit(request.lease);
    let (renewed, in_new) = join(old.renew(request), timeout(limit, new.renew(request))).await;
    match in_new {
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
    let limit = result_limit(request.reservation.lease());
    let answer = timeout(limit, old.complete(request)).await;
    match answer.unwrap_or_else(|_| Err(StoreError::timed_out())) {
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

/// Releases both at once: that one store is away does not keep the key in the other one.
pub(super) async fn release<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Release<'_>,
) -> Result<(), StoreError> {
    let (old, new) = join(old.release(request), new.release(request)).await;
    old.and(new)
}

/// Abandons both, likewise.
pub(super) async fn abandon<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Abandon<'_>,
) -> Result<(), StoreError> {
    let (old, new) = join(old.abandon(request), new.abandon(request)).await;
    old.and(new)
}
