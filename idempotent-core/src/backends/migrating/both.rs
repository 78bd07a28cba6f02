//! [`MigrationMode::Both`](super::MigrationMode::Both): the old store, and then the new one.

use super::join::{join, join_with_rest};
use super::limits::{
    AFTER_RENEWAL, NEW_STORE, OLD_STORE, end_limit, from_second, result_limit, within,
};
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
        let merge = |old, new| merged(Some(old), new);
        let entry = refusal((new, NEW_STORE), request.id, entry, merge).await?;
        return Ok(ReserveOutcome::Taken(entry));
    }
    let step_back = Release::new(request.id, request.record());
    let lease = request.record().lease();
    match from_second((new, NEW_STORE), lease, new.reserve(request)).await {
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

/// Renews both at once. The old store's answer counts: everybody respects its reservation. The new one has little time left
/// then, so that the other leases of the process are renewed too.
pub(super) async fn renew<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Renew<'_>,
) -> Result<RenewOutcome, StoreError> {
    let rest = end_limit(request.lease).min(AFTER_RENEWAL);
    let (renewed, in_new) = join_with_rest(old.renew(request), new.renew(request), rest).await;
    match in_new {
        Some(Ok(RenewOutcome::Renewed)) => {}
        other => tracing::debug!(
            record = %request.id,
            ?other,
            "the reservation could not be renewed in the new store; that in the old one holds"
        ),
    }
    renewed
}

/// Records a result in the old store, and then in the new one. Once the old one has it, every mode finds it, so that the new
/// one is not told does not make it a lost one: the mover copies it.
pub(super) async fn complete<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let lease = request.reservation.lease();
    let recorded = within(result_limit(lease), (old, OLD_STORE), old.complete(request)).await;
    let tell_new = async |if_vacant| {
        let request = request.if_vacant(if_vacant);
        within(end_limit(lease), (new, NEW_STORE), new.complete(&request)).await
    };
    match recorded {
        Ok(CompleteOutcome::Recorded) => {
            // What stands in the new store instead is of no call that ran, or of one whose lease had lapsed.
            if let Err(error) = tell_new(IfVacant::Record).await {
                tracing::warn!(
                    record = %request.id,
                    error = &error as &dyn std::error::Error,
                    "the result is recorded in the old store alone: the mover copies it"
                );
            }
            Ok(CompleteOutcome::Recorded)
        }
        Ok(CompleteOutcome::Gone) => tell_new(request.if_vacant).await,
        Ok(superseded) => Ok(superseded),
        Err(error) => {
            // The result is not lost if the old store never comes back. But nobody knows whether that has another
            // owner by now, unless the new one still has this one.
            let _ = tell_new(IfVacant::Refuse).await;
            Err(error)
        }
    }
}

/// Releases both at once: that one store is away does not keep the key in the other one. The new one has a limit, since its
/// reservation is a second lock that lapses.
pub(super) async fn release<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Release<'_>,
) -> Result<(), StoreError> {
    let limit = end_limit(request.reservation.lease());
    let in_new = within(limit, (new, NEW_STORE), new.release(request));
    let (old, new) = join(old.release(request), in_new).await;
    old.and(new)
}

/// Abandons both, likewise.
pub(super) async fn abandon<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Abandon<'_>,
) -> Result<(), StoreError> {
    let limit = end_limit(request.reservation.lease());
    let in_new = within(limit, (new, NEW_STORE), new.abandon(request));
    let (old, new) = join(old.abandon(request), in_new).await;
    old.and(new)
}
