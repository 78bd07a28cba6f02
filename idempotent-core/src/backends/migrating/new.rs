//! [`MigrationMode::New`](super::MigrationMode::New): the new store, reading the old one.

use super::look::{is_vacant, merged, refusal};
use crate::store::{
    Complete, CompleteOutcome, IfVacant, Release, Reserve, ReserveOutcome, Store, StoreError,
};

/// Wins the new store, and then looks whether the old one has something.
pub(super) async fn reserve<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    if let ReserveOutcome::Taken(entry) = new.reserve(request).await? {
        let entry = refusal(old, request.id, entry, |new, old| merged(old, Some(new))).await?;
        return Ok(ReserveOutcome::Taken(entry));
    }
    // Not before: a result that is written between the look and the win would not be seen.
    let answer = match old.load(request.id).await {
        Ok(seen) if is_vacant(seen.as_ref()) => return Ok(ReserveOutcome::Won),
        Ok(Some(entry)) => Ok(ReserveOutcome::Taken(entry)),
        Ok(None) => return Ok(ReserveOutcome::Won),
        Err(error) => Err(error),
    };
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
