//! Recording a call's end: a few tries while the caller waits, then more in a task while the lease
//! lasts, and a result for as long as somebody waits to hear of it.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::Instrument;

use super::failed_runs;
use super::held::HeldReservation;
use super::settlement::Settlement;
use crate::engine::background::FinishInBackground;
use crate::engine::telemetry::{CallReport, KeyEnd, Telemetry, Transition};
use crate::model::{Guarantee, Record};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Release, State, StoreError, StoreErrorKind, Suspend,
    WithoutJournal,
};

/// The tries that the caller waits for, as divisors of a store call's timeout. A try that hangs
/// leaves time for another, and together they take no longer than the timeout and the pauses.
const INLINE_SHARES: [u32; 3] = [2, 4, 4];
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl HeldReservation {
    /// Ends the call: at once if the store can, otherwise with the returned future. If that is
    /// dropped halfway, the recording finishes in the background.
    pub(crate) fn settle(mut self, mut settlement: Settlement) -> Option<FinishInBackground<()>> {
        self.set_ended();
        let may_resume = self.lease.journal().is_some() || self.reservation().has_input();
        if may_resume || matches!(settlement, Settlement::Suspend(_)) {
            settlement = self.with_steps(settlement);
        }
        if let (Settlement::Complete { record, .. }, true) = (&mut settlement, self.is_sealed()) {
            *record = self.seal(record);
        }
        if let Settlement::Complete { ttl, .. } = &settlement {
            self.lease.report_recorded(ttl.unwrap_or(self.lease.ttl()));
        }
        let span = self.span();
        let ended = match &span {
            None => complete_locally(&self, &settlement),
            Some(span) => span.in_scope(|| complete_locally(&self, &settlement)),
        };
        if let Some(end) = ended {
            self.recorded(end);
            return None;
        }
        Some(CallReport::finish_in_background(span, record(self, settlement)))
    }
}

/// Completes the call in a store that answers without waiting, and returns the end if that is done.
fn complete_locally(held: &HeldReservation, settlement: &Settlement) -> Option<KeyEnd> {
    let Settlement::Complete { record, ttl } = settlement else { return None };
    let local = held.engine.store().local()?;
    let ttl = ttl.unwrap_or(held.lease.ttl());
    let request = Complete::new(held.id(), held.written(), record, ttl);
    let timer = Telemetry::store_call(Transition::Complete);
    let answer = local.try_complete(&request)?;
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(outcome) => Some(report_outcome(held, record, &outcome, held.lease.is_lost())),
        Err(error) => {
            report_failed_try(held, &error);
            None
        }
    }
}

/// Records the end. If the store fails, the caller still gets its result soon.
async fn record(mut held: HeldReservation, settlement: Settlement) {
    let end = End::new(&held, settlement);
    if !matches!(end, End::Complete { .. }) {
        // If the store never learns of the end, the key lapses with its lease.
        held.lease.stop();
    }
    let mut pause = FIRST_PAUSE;
    let patience = held.engine.settings().store_timeout;
    for (tried, share) in INLINE_SHARES.into_iter().enumerate() {
        if tried > 0 {
            sleep(pause).await;
            pause *= 2;
        }
        match record_once(&held, &end, patience / share).await {
            Ok(end) => return held.recorded(end),
            Err(error) => report_failed_try(&held, &error),
        }
    }
    if let (Ok(runtime), false) = (Handle::try_current(), end.comes_by_itself()) {
        runtime.spawn(keep_trying(held, end, pause).in_current_span());
    }
}

/// What the store is told.
enum End {
    Complete {
        record: Record,
        ttl: Duration,
    },
    Release,
    Abandon(Record),
    /// A run that another one resumes.
    Suspend(Suspended),
}

/// What is written of a run that another one resumes.
struct Suspended {
    journaled: Record,
    /// `None`: released.
    unjournaled: Option<Record>,
    due_in: Option<Duration>,
}

impl End {
    /// Whether the reservation lapses to about the same: then it is worth a few tries only. A call that is not to be
    /// resumed without its caller does not.
    const fn comes_by_itself(&self) -> bool {
        match self {
            Self::Abandon(_) => true,
            Self::Suspend(suspended) => suspended.due_in.is_some(),
            Self::Complete { .. } | Self::Release => false,
        }
    }

    fn new(held: &HeldReservation, settlement: Settlement) -> Self {
        let reservation = held.reservation();
        match settlement {
            Settlement::Complete { record, ttl } => {
                held.charge_completed(record.as_bytes().len());
                Self::Complete { record, ttl: ttl.unwrap_or(held.lease.ttl()) }
            }
            Settlement::Release => {
                held.refund();
                Self::Release
            }
            Settlement::Suspend(end) => {
                let unjournaled = end.unjournaled(reservation);
                let journaled = held.journaled();
                match (&unjournaled, journaled) {
                    (None, None) => held.refund(),
                    _ => held.charge_unknown(Guarantee::AtMostOnce),
                }
                let journaled = end.record(journaled.unwrap_or(reservation));
                let due_in = end.due_in(held.engine.settings().resume_backoff, &journaled);
                let unjournaled = unjournaled.map(|record| held.seal(&record));
                let journaled = held.seal(&journaled);
                Self::Suspend(Suspended { journaled, unjournaled, due_in })
            }
            Settlement::HoldForLease => {
                held.charge_unknown(reservation.guarantee());
                Self::Abandon(held.seal(&reservation.held()))
            }
            Settlement::Unknown(end) => {
                Telemetry::unknown_end(held.id(), end.error.as_deref());
                match end.record(reservation) {
                    Some(record) => {
                        held.charge_unknown(record.guarantee());
                        Self::Abandon(held.seal(&record))
                    }
                    None => {
                        held.refund();
                        failed_runs::remember(reservation.token(), end.retry_after);
                        Self::Release
                    }
                }
            }
        }
    }
}

/// Keeps trying while the lease lasts, and after that while somebody waits for the result to be recorded: the store takes
/// it as long as nobody else has the key. Otherwise the result is lost.
async fn keep_trying(mut held: HeldReservation, end: End, mut pause: Duration) {
    let is_result = matches!(end, End::Complete { .. });
    loop {
        let remaining = held.lease.remaining();
        let is_late = remaining.is_zero();
        if is_late && !(is_result && held.is_awaited()) {
            break;
        }
        sleep(if is_late { pause } else { pause.min(remaining) }).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match record_once(&held, &end, Duration::MAX).await {
            Ok(end) => return held.recorded(end),
            // Another try is unlikely to do, so the key lapses, and who waits looks at what is there.
            Err(error) if error.kind() == StoreErrorKind::Malformed => {
                report_failed_try(&held, &error);
                held.lease.stop();
                if is_late {
                    break;
                }
            }
            Err(error) if is_late => tracing::debug!(
                record = %held.id(),
                error = &error as &dyn std::error::Error,
                "the end of a call whose lease is over could not be recorded yet"
            ),
            Err(error) => report_failed_try(&held, &error),
        }
    }
    if is_result {
        Telemetry::lost_result(held.id());
    }
}

fn report_failed_try(held: &HeldReservation, error: &StoreError) {
    tracing::warn!(
        record = %held.id(),
        error = error as &dyn std::error::Error,
        "the end of a call could not be recorded yet"
    );
}

/// Returns what became of the key.
async fn record_once(
    held: &HeldReservation,
    end: &End,
    limit: Duration,
) -> Result<KeyEnd, StoreError> {
    let (engine, task) = (&held.engine, held.lease.renewal_task());
    let (id, reservation) = (held.id(), held.reservation());
    // A store call that hangs must not outlast the reservation that it ends.
    let limit = limit.min(reservation.lease());
    match end {
        End::Release => {
            let request = Release::new(id, reservation);
            let call = engine.store().release(&request);
            engine.0.transition(task, Transition::Release, limit, call).await?;
            Ok(KeyEnd::Released)
        }
        End::Abandon(record) => {
            let request = Abandon::new(id, reservation, record);
            let call = engine.store().abandon(&request);
            engine.0.transition(task, Transition::Abandon, limit, call).await?;
            Ok(KeyEnd::of(record))
        }
        End::Suspend(Suspended { journaled, unjournaled, due_in }) => {
            let Some(journal) = engine.store().journal() else { return Ok(KeyEnd::Lost) };
            let otherwise =
                unjournaled.as_ref().map_or(WithoutJournal::Release, WithoutJournal::Abandon);
            let request = Suspend::new(id, reservation, journaled).otherwise(otherwise);
            let request = request.due_in(*due_in);
            let call = journal.suspend(&request);
            engine.0.transition(task, Transition::Suspend, limit, call).await?;
            let is_released = unjournaled.is_none() && !journaled.has_progress();
            match (is_released, journaled.waits_for_steps()) {
                (true, _) => Ok(KeyEnd::Released),
                (false, false) => Ok(KeyEnd::of(journaled)),
                (false, true) => Ok(end_of_waiting(held, journaled, limit).await),
            }
        }
        End::Complete { record, ttl } => {
            let request = Complete::new(id, held.written(), record, *ttl);
            let call = engine.store().complete(&request);
            let outcome = engine.0.transition(task, Transition::Complete, limit, call).await?;
            // It may also have ended while this was tried.
            let is_late = held.lease.is_lost() || held.lease.remaining().is_zero();
            Ok(report_outcome(held, record, &outcome, is_late))
        }
    }
}

/// What became of the key of a call that waits for its steps. If these were settled by the time the store was told, it has
/// the call go on.
async fn end_of_waiting(held: &HeldReservation, record: &Record, limit: Duration) -> KeyEnd {
    let (engine, id) = (&held.engine, held.id());
    let call = engine.0.call(Transition::Look, limit, engine.store().load(id));
    match call.await {
        Ok(Some(now)) if now.record.token() == record.token() && now.state == State::Suspended => {
            KeyEnd::Suspended
        }
        _ => KeyEnd::of(record),
    }
}

fn report_outcome(
    held: &HeldReservation,
    record: &Record,
    outcome: &CompleteOutcome,
    is_late: bool,
) -> KeyEnd {
    match outcome {
        CompleteOutcome::Recorded => {
            if is_late {
                Telemetry::late(held.id());
            }
            KeyEnd::of(record)
        }
        CompleteOutcome::Superseded(entry) => {
            Telemetry::superseded(held.id(), entry.state);
            KeyEnd::Superseded
        }
        CompleteOutcome::Gone => {
            Telemetry::lost_result(held.id());
            KeyEnd::Lost
        }
    }
}
