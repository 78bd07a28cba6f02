//! [`MigrationMode::New`](super::MigrationMode::New): the new store, reading the old one.

use tokio::time::timeout;

use super::join::join;
use super::limits::{OLD_STORE, end_limit, from_second};
use super::look::{is_vacant, merged, refusal};
use crate::model::RecordId;
use crate::store::{
    Abandon, Complete, CompleteOutcome, IfVacant, Release, Reserve, ReserveOutcome, Store,
    StoreError,
};

/// Wins the new store, and then looks whether the old one has something.
pub(super) async fn reserve<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    if let ReserveOutcome::Taken(entry) = new.reserve(request).await? {
        let entry =
            refusal((old, OLD_STORE), request.id, entry, |new, old| merged(old, Some(new))).await?;
        return Ok(ReserveOutcome::Taken(entry));
    }
    // Not before: a result that is written between the look and the win would not be seen.
    let look = from_second((old, OLD_STORE), request.record().lease(), old.load(request.id));
    let answer = match look.await {
        Ok(seen) if is_vacant(seen.as_ref()) => return Ok(ReserveOutcome::Won),
        Ok(Some(entry)) => Ok(ReserveOutcome::Taken(entry)),
        Ok(None) => return Ok(ReserveOutcome::Won),
        Err(error) => Err(error),
    };
    // Nobody else releases it after an answer. An error makes the engine try again.
    new.release(&Release::new(request.id, request.record())).await?;
    answer
}

/// Records a result in the new store. What an operator says of a record is said where that is.
pub(super) async fn complete<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    if request.if_vacant == IfVacant::Record {
        return new.complete(request).await;
    }
    match old.complete(request).await? {
        CompleteOutcome::Recorded => {
            new.complete(&request.if_vacant(IfVacant::Record)).await?;
            Ok(CompleteOutcome::Recorded)
        }
        CompleteOutcome::Gone => new.complete(request).await,
        superseded => Ok(superseded),
    }
}

/// Releases the reservation. The old store has it only if a process of another mode made it, so its answer counts only where
/// somebody says that the owner is dead.
pub(super) async fn release<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Release<'_>,
) -> Result<(), StoreError> {
    if request.indeterminate {
        return super::both::release(old, new, request).await;
    }
    let limit = end_limit(request.reservation.lease());
    let (in_old, released) = join(timeout(limit, old.release(request)), new.release(request)).await;
    note_old(request.id, in_old.is_ok_and(|it| it.is_ok()));
    released
}

/// Abandons it, likewise.
pub(super) async fn abandon<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Abandon<'_>,
) -> Result<(), StoreError> {
    let limit = end_limit(request.reservation.lease());
    let (in_old, abandoned) =
        join(timeout(limit, old.abandon(request)), new.abandon(request)).await;
    note_old(request.id, in_old.is_ok_and(|it| it.is_ok()));
    abandoned
}

fn note_old(id: &RecordId, has_answered: bool) {
    if !has_answered {
        tracing::debug!(
            record = %id,
            "the old store could not be told; a reservation of another mode's lapses there"
        );
    }
}
