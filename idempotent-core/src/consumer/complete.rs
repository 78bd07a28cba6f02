//! Recording a result, and finding out whether it is recorded.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use super::acquire::End;
use super::context::{Context, Stage};
use super::outcome::DeliveryOutcome;
use super::verdict::Verdict;
use crate::call::Reservation;
use crate::engine::{AwaitedEnd, CurrentCall, KeyEnd};
use crate::error::Error;
use crate::model::{RecordId, Token};
use crate::store::State;

/// When an end is looked up again that is not known yet. The pause doubles.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After how long it is said that a result is not recorded although the store answers.
const SAID_AFTER: Duration = Duration::from_secs(10);
/// How long a result that is in hand is tried to be recorded after the consumer has halted.
const AFTER_HALT: Duration = Duration::from_secs(2);

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
        let call = reservation.current_call();
        let (Some(end), Some((id, token)), Some(call)) = (end, known, call) else {
            reservation.complete(&Ok(value)).await;
            return (DeliveryOutcome::Unrecorded, Verdict::Left);
        };
        let recording = pin!(async {
            // If this is dropped half way, it goes on in the background.
            reservation.complete(&Ok(value)).await;
            self.find_end(&end, (&id, token), &call).await
        });
        let halted = pin!(async {
            self.reached(Stage::Halted).await;
            sleep(AFTER_HALT).await;
        });
        match select(recording, halted).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => {
                self.telemetry.stopped_unrecorded(&id);
                (DeliveryOutcome::Unrecorded, Verdict::Left)
            }
        }
    }

    /// Asks the store what became of the record, until it says so: another call may have taken the key, or the
    /// store does not answer.
    async fn find_end(
        &self,
        end: &AwaitedEnd,
        (id, token): (&RecordId, Token),
        call: &CurrentCall,
    ) -> End {
        let retry = || Verdict::Retry { after: self.settings.attempts.pause_after(1) };
        let (mut pause, mut answered, mut late) = (LOOK_AGAIN, None, None);
        loop {
            if let Some(KeyEnd::Kept | KeyEnd::Tombstone) = end.get() {
                return EXECUTED;
            }
            let was_known = end.get().is_some();
            let mut tries = 0_u32;
            let asking = self.outage.ask(&self.telemetry, || {
                tries = tries.saturating_add(1);
                self.settings.engine.inspect(id)
            });
            let found = match was_known {
                true => Some(asking.await),
                false => unless_known(asking, end.known()).await,
            };
            let Some(found) = found else {
                // The store has answered the engine.
                self.outage.is_over(&self.telemetry);
                continue;
            };
            if !was_known && end.get().is_some() {
                // What was found may be from before.
                continue;
            }
            match found {
                Ok(Some(record)) => match record.state() {
                    State::Completed => return EXECUTED,
                    // The engine is still recording it, though its lease may be over.
                    _ if record.token() == token && end.get().is_none() => {}
                    // Nobody records it any more, and the key lapses with the lease.
                    _ if record.token() == token => {
                        return (DeliveryOutcome::Unrecorded, retry());
                    }
                    // Another call has had the key, so the message may be another delivery's by now.
                    _ => return (DeliveryOutcome::LeaseLost, Verdict::Left),
                },
                // The same where the store has forgotten a reservation whose lease is over.
                Ok(None) if end.get().is_none() => {}
                // Another call may have taken it meanwhile, and given it back.
                Ok(None) if call.has_lost_its_lease() || end.get() == Some(KeyEnd::Superseded) => {
                    return (DeliveryOutcome::LeaseLost, Verdict::Left);
                }
                Ok(None) => return (DeliveryOutcome::Unrecorded, retry()),
                Err(_) => return (DeliveryOutcome::Unrecorded, Verdict::Left),
            }
            if tries > 1 {
                // It was away again.
                (answered, late) = (None, None);
            }
            let since = *answered.get_or_insert_with(Instant::now);
            if late.is_none() && since.elapsed() >= SAID_AFTER {
                late = Some(self.telemetry.not_recorded(id));
            }
            select(pin!(sleep(pause)), pin!(end.known())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// What is asked for, unless the end is known first. Then the asking is over, and holds no lock.
async fn unless_known<T>(asking: impl Future<Output = T>, known: impl Future) -> Option<T> {
    match select(pin!(asking), pin!(known)).await {
        Either::Left((found, _)) => Some(found),
        Either::Right(_) => None,
    }
}
