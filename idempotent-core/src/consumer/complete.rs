//! Recording a result, and finding out whether it is recorded.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::acquire::End;
use super::context::{Context, Stage};
use super::outcome::DeliveryOutcome;
use super::verdict::Verdict;
use crate::call::Reservation;
use crate::engine::KeyEnd;
use crate::error::Error;
use crate::model::{RecordId, Token};
use crate::store::State;

/// How often an end is looked up that is not known yet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// After how many looks it is said that a result is not recorded although the store answers.
const LOOKS_BEFORE_WARNING: u32 = 100;

const EXECUTED: End = (DeliveryOutcome::Executed, Verdict::Completed);

impl Context {
    /// Records the handler's result, however long the store is away: the handler must not run again while its result is in
    /// hand. The message is completed only if the store says so.
    pub(super) async fn complete<T>(
        &self,
        mut reservation: Reservation<T, Error>,
        value: T,
    ) -> End {
        let end = reservation.listen();
        let known = reservation.record_id().cloned().zip(reservation.token());
        reservation.complete(&Ok(value)).await;
        let (Some(end), Some((id, token))) = (end, known) else {
            return (DeliveryOutcome::Unrecorded, Verdict::Left);
        };
        match end.get() {
            Some(KeyEnd::Kept | KeyEnd::Tombstone) => EXECUTED,
            _ => {
                let asking = std::pin::pin!(self.find_end(&end, &id, token));
                let halted = std::pin::pin!(self.reached(Stage::Halted));
                match select(asking, halted).await {
                    Either::Left((end, _)) => end,
                    Either::Right(_) => {
                        self.telemetry.stopped_unrecorded(&id);
                        (DeliveryOutcome::Unrecorded, Verdict::Left)
                    }
                }
            }
        }
    }

    /// Asks the store what became of the record, until it says so: another call may have taken the key, or the
    /// store does not answer.
    async fn find_end(&self, end: &Arc<OnceLock<KeyEnd>>, id: &RecordId, token: Token) -> End {
        let retry = || Verdict::Retry { after: self.settings.attempts.pause_after(1) };
        let mut looks = 0_u32;
        loop {
            if let Some(KeyEnd::Kept | KeyEnd::Tombstone) = end.get() {
                return EXECUTED;
            }
            let was_known = end.get().is_some();
            let found = self.outage.ask(&self.telemetry, || self.settings.engine.inspect(id)).await;
            if !was_known && end.get().is_some() {
                // What was found may be from before.
                continue;
            }
            match found {
                Ok(Some(record)) => match record.state() {
                    State::Completed => return EXECUTED,
                    // The engine is still recording it, though its lease may be over.
                    _ if record.token() == token && end.get().is_none() => {}
                    State::Reserved => return (DeliveryOutcome::LeaseLost, Verdict::Left),
                    // The next delivery decides what that means.
                    _ => return (DeliveryOutcome::Unrecorded, retry()),
                },
                // The same where the store has forgotten a reservation whose lease is over.
                Ok(None) if end.get().is_none() => {}
                Ok(None) => return (DeliveryOutcome::Unrecorded, retry()),
                Err(_) => return (DeliveryOutcome::Unrecorded, Verdict::Left),
            }
            looks = looks.saturating_add(1);
            if looks == LOOKS_BEFORE_WARNING {
                self.telemetry.not_recorded(id);
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}
