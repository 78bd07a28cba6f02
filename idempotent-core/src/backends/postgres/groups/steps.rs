//! Which way a change takes: alone, or in a group.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::correction::Correction;
use super::look::Look;
use super::member::{Member, Verdict};
use super::queue::{Queue, Sender};
use super::record_change::RecordChange;
use super::step_change::StepChange;
use crate::backends::postgres::error::{store_error, timed_out};
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::{abandon, complete, correct, journal, release, renew, reserve};
use crate::backends::shared::retention::retention_ended;
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Release, Renew, RenewOutcome,
    Reserve, ReserveOutcome, StoreError, WriteStep, WriteStepOutcome,
};

pub(in crate::backends::postgres) async fn reserve(
    store: &Arc<Inner>,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    let deadline = store.connection.deadline();
    let lanes = &store.lanes;
    if !lanes.is_on() {
        return reserve::reserve(store, request, deadline).await;
    }
    if let Some(_alone) = lanes.changes.alone() {
        return reserve::reserve(store, request, deadline).await;
    }
    match lanes.looks.submit(store, Look(*request.id.hash()), deadline).await {
        Verdict::Answer(Some(entry)) => return Ok(reserve::outcome(request, entry)),
        Verdict::Answer(None) => {}
        Verdict::Singly => return reserve::reserve(store, request, deadline).await,
        Verdict::Failed(error) => {
            has_time(store, deadline, error)?;
            return reserve::reserve(store, request, deadline).await;
        }
    }
    if !RecordChange::is_long(request.record()) {
        let change = RecordChange::reserve(request);
        if let Some(changed) = submit(&lanes.changes, store, change, deadline).await? {
            let Some(row) = changed.in_the_way else {
                if changed.has_forgotten {
                    retention_ended(request.id.operation(), *request.id.hash());
                }
                return Ok(ReserveOutcome::Won);
            };
            if let Some(entry) = row.entry()? {
                return Ok(reserve::outcome(request, entry));
            }
        }
    }
    // Perhaps a transaction of a caller holds the id, which may take any time.
    let permit = timeout_at(deadline, lanes.waiting.acquire()).await;
    let _permit = permit.map_err(|_| store_error(timed_out()))?;
    reserve::reserve(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn complete(
    store: &Arc<Inner>,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.changes);
    if store.lanes.is_on() && !RecordChange::is_long(request.record) {
        if let Some(_alone) = lane.alone() {
            return complete::complete(store, request, deadline).await;
        }
        if submit(lane, store, RecordChange::complete(request), deadline).await?.is_some() {
            return Ok(CompleteOutcome::Recorded);
        }
    }
    complete::complete(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn release(
    store: &Arc<Inner>,
    request: &Release<'_>,
) -> Result<(), StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.changes);
    if store.lanes.is_on() {
        if let Some(_alone) = lane.alone() {
            return release::release(store, request, deadline).await;
        }
        if submit(lane, store, RecordChange::release(request), deadline).await?.is_some() {
            return Ok(());
        }
    }
    release::release(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn correct(
    store: &Arc<Inner>,
    request: &Correct<'_>,
) -> Result<CorrectOutcome, StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.corrections);
    let is_long = RecordChange::is_long(request.seen) || RecordChange::is_long(request.record);
    if store.lanes.is_on() && !is_long {
        if let Some(_alone) = lane.alone() {
            return correct::correct(store, request, deadline).await;
        }
        let correction = Correction::new(request);
        if let Some(outcome) = submit(lane, store, correction, deadline).await? {
            return Ok(outcome);
        }
    }
    correct::correct(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn renew(
    store: &Arc<Inner>,
    request: &Renew<'_>,
) -> Result<RenewOutcome, StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.renewals);
    if store.lanes.is_on() {
        if let Some(_alone) = lane.alone() {
            return renew::renew(store, request, deadline).await;
        }
        if submit(lane, store, RecordChange::renew(request), deadline).await?.is_some() {
            return Ok(RenewOutcome::Renewed);
        }
    }
    renew::renew(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn abandon(
    store: &Arc<Inner>,
    request: &Abandon<'_>,
) -> Result<(), StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.changes);
    if store.lanes.is_on() && !RecordChange::is_long(request.record) {
        if let Some(_alone) = lane.alone() {
            return abandon::abandon(store, request, deadline).await;
        }
        if submit(lane, store, RecordChange::abandon(request), deadline).await?.is_some() {
            return Ok(());
        }
    }
    abandon::abandon(store, request, deadline).await
}

pub(in crate::backends::postgres) async fn write_step(
    store: &Arc<Inner>,
    request: &WriteStep<'_>,
) -> Result<WriteStepOutcome, StoreError> {
    let (deadline, lane) = (store.connection.deadline(), &store.lanes.changes);
    if store.lanes.is_on() {
        if let Some(_alone) = lane.alone() {
            return journal::write_step(store, request, deadline).await;
        }
        if let Some(change) = StepChange::new(request) {
            if submit(lane, store, change, deadline).await?.is_some() {
                return Ok(WriteStepOutcome::Written);
            }
        }
    }
    journal::write_step(store, request, deadline).await
}

/// Changes something with others; `None` if it has to be asked for alone, for which there is time.
async fn submit<M: Member>(
    lane: &Arc<Queue<M>>,
    store: &Arc<Inner>,
    change: impl Into<M>,
    deadline: Instant,
) -> Result<Option<M::Answer>, StoreError>
where
    Inner: Sender<M>,
{
    match lane.submit(store, change.into(), deadline).await {
        Verdict::Answer(changed) => Ok(Some(changed)),
        Verdict::Singly if Instant::now() < deadline => Ok(None),
        Verdict::Singly => Err(store_error(timed_out())),
        Verdict::Failed(error) => has_time(store, deadline, error).map(|()| None),
    }
}

/// The error, unless a caller that came later than the others of its group has most of its time left.
fn has_time(store: &Inner, deadline: Instant, error: StoreError) -> Result<(), StoreError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left > store.connection.timeout() / 2 { Ok(()) } else { Err(error) }
}
