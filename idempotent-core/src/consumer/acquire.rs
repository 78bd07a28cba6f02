//! What comes before the handler: whether a message runs it, was handled before, or has to wait.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::context::{Context, Stage};
use super::error::ConsumerError;
use super::message::Message;
use super::outcome::DeliveryOutcome;
use super::verdict::{ParkReason, Verdict};
use crate::call::{BeginOutcome, Memoizable, Reservation};
use crate::engine::{CurrentCall, KeyInHand, KeysInHand};
use crate::error::{Error, ErrorKind};
use crate::model::RecordId;

/// How long a message waits if the engine does not say.
const A_WHILE: Duration = Duration::from_secs(1);
/// How long it waits before it asks a store again that has just failed.
const A_MOMENT: Duration = Duration::from_millis(100);

/// The end of a delivery.
pub(super) type End = (DeliveryOutcome, Verdict);

/// What became of a message before its handler.
pub(super) enum Acquired<'a, T> {
    /// The handler may run, for the nth time.
    Won(Reservation<T, Error>, Attempt, Option<KeyInHand<'a>>),
    Ended(End),
}

/// What was found out about a key.
enum Begun<T> {
    Call(BeginOutcome<T, Error>),
    /// Another delivery in this process has it. The store was not asked.
    InHand(RecordId),
}

/// An attempt to handle a message.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    /// From 1.
    pub(super) number: u32,
    /// Whether it is in the log already. The first delivery of a message is noted only if it fails.
    pub(super) is_noted: bool,
}

impl<T> Begun<T> {
    const fn is_stores(&self) -> bool {
        matches!(self, Self::Call(_))
    }
}

impl Context {
    /// Reserves the message's key, and waits while the store does not answer. A message that comes while the consumer
    /// stops is not started.
    pub(super) async fn acquire<T: Memoizable>(&self, message: &Message) -> Acquired<'_, T> {
        loop {
            let asking =
                self.outage.ask_if(&self.telemetry, || self.begin::<T>(message), Begun::is_stores);
            let Some(begun) = self.unless_stopping(asking).await else { break };
            let reservation = match begun {
                Ok(Begun::Call(BeginOutcome::Reserved(reservation))) => reservation,
                Ok(Begun::Call(BeginOutcome::Replayed(_))) => {
                    self.telemetry.replayed(message);
                    return Acquired::Ended((DeliveryOutcome::Replayed, Verdict::Completed));
                }
                Ok(Begun::InHand(id)) => {
                    let waiting = self.has_left_while_away(&id);
                    match self.unless_stopping(waiting).await {
                        None => break,
                        Some(true) => continue,
                        Some(false) => return Acquired::Ended(self.in_hand(message).await),
                    }
                }
                Err(error) if error.kind() == ErrorKind::Overloaded => {
                    let pause = error.retry_after().unwrap_or(A_WHILE);
                    let Some(()) = self.unless_stopping(sleep(pause)).await else { break };
                    continue;
                }
                // Its owner is here, and may still say how it ended.
                Err(error) if error.kind() == ErrorKind::Indeterminate && self.has(message) => {
                    return Acquired::Ended(self.in_hand(message).await);
                }
                Err(error) => return Acquired::Ended(self.refused(message, &error).await),
            };
            let id = reservation.record_id();
            let Ok(in_hand) = id.map(|id| self.keys().enter(id).ok_or(())).transpose() else {
                // Its lease is over, and the store was asked before it was entered.
                reservation.release().await;
                return Acquired::Ended(self.in_hand(message).await);
            };
            // Not dropped half way, since that would hold the key.
            let attempt = match self.attempt(message).await {
                Ok(Ok(attempt)) => attempt,
                Ok(Err(end)) => {
                    reservation.release().await;
                    return Acquired::Ended(end);
                }
                Err(error) if error.kind() == ErrorKind::Store => {
                    reservation.release().await;
                    let Some(()) = self.unless_stopping(sleep(A_MOMENT)).await else { break };
                    continue;
                }
                Err(error) => {
                    // The broker's count is better than none.
                    self.telemetry.refused(message, &error);
                    Attempt { number: delivery_number(message), is_noted: true }
                }
            };
            // The store was asked since the key was reserved, which may have taken long.
            let call = reservation.current_call();
            if call.as_ref().is_some_and(CurrentCall::has_lost_its_lease) {
                reservation.release().await;
                return Acquired::Ended((DeliveryOutcome::LeaseLost, Verdict::Left));
            }
            if self.has_reached(Stage::Stopping) {
                self.take_back(message, attempt, call.as_ref()).await;
                reservation.release().await;
                break;
            }
            return Acquired::Won(reservation, attempt, in_hand);
        }
        Acquired::Ended((DeliveryOutcome::GivenBack, Verdict::GivenBack))
    }

    /// `None` if the consumer stops before.
    pub(super) async fn unless_stopping<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        // Looked at first, since what is ready at once need not be watched for.
        if self.has_reached(Stage::Stopping) {
            return None;
        }
        let future = pin!(future);
        let stopping = pin!(self.reached(Stage::Stopping));
        match select(future, stopping).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    async fn begin<T: Memoizable>(&self, message: &Message) -> Result<Begun<T>, Error> {
        let Some(call) = self.call(message) else {
            let error = Error::new(ErrorKind::InvalidKey, self.operation.name);
            return Err(error.detail("what makes its key or its scope panicked"));
        };
        match call.record_id(&self.settings.engine) {
            Some(id) if self.keys().contain(&id) => Ok(Begun::InHand(id)),
            _ => call.returning::<Result<T, Error>>().begin().await.map(Begun::Call),
        }
    }

    fn keys(&self) -> &KeysInHand {
        self.settings.engine.keys_in_hand()
    }

    /// Whether another delivery in this process has the message's key.
    fn has(&self, message: &Message) -> bool {
        let id = self.call(message).and_then(|call| call.record_id(&self.settings.engine));
        id.is_some_and(|id| self.keys().contain(&id))
    }

    /// Waits while the store is away, and returns whether the delivery that has the key has ended meanwhile. The message would
    /// be delivered again and again otherwise, for nothing.
    async fn has_left_while_away(&self, id: &RecordId) -> bool {
        let asking = pin!(self.outage.ask(&self.telemetry, || self.settings.engine.inspect(id)));
        matches!(select(pin!(self.keys().left(id)), asking).await, Either::Left(_))
    }

    /// The end of a delivery whose key another one in this process has.
    async fn in_hand(&self, message: &Message) -> End {
        let error = Error::new(ErrorKind::InProgress, self.operation.name);
        self.refused(message, &error).await
    }

    /// Which attempt this is; an end, if there is none left. In the first delivery nothing is looked up.
    pub(super) async fn attempt(&self, message: &Message) -> Result<Result<Attempt, End>, Error> {
        let Some(limit) = self.settings.attempts.limit() else {
            return Ok(Ok(Attempt { number: delivery_number(message), is_noted: true }));
        };
        if message.delivery_count() == Some(1) {
            return Ok(Ok(Attempt { number: 1, is_noted: false }));
        }
        let noted = self.attempts.noted(message, limit).await?;
        if noted >= limit {
            let error = "earlier attempts have failed, or were lost with their process".to_owned();
            let reason = ParkReason::AttemptsUsedUp;
            let verdict = Verdict::Parked { reason, error, attempts: noted };
            return Ok(Err((DeliveryOutcome::Refused, verdict)));
        }
        if noted == 0 && message.delivery_count().is_some() {
            self.telemetry.runs_again(message);
        }
        // Before it runs: it may take the process down.
        self.attempts.note(message, noted + 1).await?;
        Ok(Ok(Attempt { number: noted + 1, is_noted: true }))
    }

    /// Takes an attempt back that was none, as soon as the store answers. Once the lease is lost it stays, since the
    /// attempts that follow are counted from it.
    pub(super) async fn take_back(
        &self,
        message: &Message,
        attempt: Attempt,
        call: Option<&CurrentCall>,
    ) {
        if !attempt.is_noted || self.settings.attempts.limit().is_none() {
            return;
        }
        let forget = || async {
            if call.is_some_and(CurrentCall::has_lost_its_lease) {
                return Ok(());
            }
            self.attempts.forget(message, attempt.number).await
        };
        let forgetting = pin!(self.outage.ask(&self.telemetry, forget));
        let halted = pin!(self.reached(Stage::Halted));
        if let Either::Left((Err(error), _)) = select(forgetting, halted).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "an attempt could not be taken back"
            );
        }
    }

    /// What the engine's refusal means for the broker.
    pub(super) async fn refused(&self, message: &Message, error: &Error) -> End {
        let wait = || error.retry_after().unwrap_or(A_WHILE);
        let park = |reason| {
            self.telemetry.refused(message, error);
            (DeliveryOutcome::Refused, Verdict::parked(reason, error))
        };
        match error.kind() {
            // It is completed. Its result is of no use here.
            ErrorKind::ResultNotKept | ErrorKind::Decode => {
                (DeliveryOutcome::Replayed, Verdict::Completed)
            }
            // The engine says when to ask again, which is soon. A handler that runs for long is not asked for every
            // second, since each time is a delivery.
            ErrorKind::InProgress | ErrorKind::OwnerFailed => {
                (DeliveryOutcome::Busy, Verdict::Busy { after: wait().max(self.lease / 2) })
            }
            ErrorKind::Held | ErrorKind::TooManyCalls | ErrorKind::ScopeFull => {
                (DeliveryOutcome::Busy, Verdict::Busy { after: wait() })
            }
            ErrorKind::FingerprintMismatch => park(ParkReason::Mismatch),
            ErrorKind::Indeterminate => self.indeterminate(message, error).await,
            ErrorKind::MissingKey
            | ErrorKind::InvalidKey
            | ErrorKind::KeyTooLong
            | ErrorKind::InvalidScope => park(ParkReason::InvalidKey),
            ErrorKind::Misconfigured => {
                let text = error.why().to_owned();
                self.fail(ConsumerError::Misconfigured(text.into()));
                (DeliveryOutcome::GivenBack, Verdict::GivenBack)
            }
            // The record is another version's, or not authentic: somebody may put that right.
            _ => self.refused_for_now(message, error).await,
        }
    }

    /// Nobody knows what the last attempt did, so there was one at least.
    async fn indeterminate(&self, message: &Message, error: &Error) -> End {
        self.telemetry.refused(message, error);
        let limit = self.settings.attempts.limit().unwrap_or(u32::MAX);
        let attempts = self.attempts.noted(message, limit).await.unwrap_or(0).max(1);
        let (reason, error) = (ParkReason::Indeterminate, error.to_string());
        (DeliveryOutcome::Refused, Verdict::Parked { reason, error, attempts })
    }

    /// A refusal counts as an attempt.
    async fn refused_for_now(&self, message: &Message, error: &Error) -> End {
        self.telemetry.refused(message, error);
        let attempts = self.settings.attempts;
        let limit = attempts.limit().unwrap_or(u32::MAX);
        let number = match self.attempts.noted(message, limit).await {
            Ok(noted) => noted.saturating_add(1),
            Err(_) => 1,
        };
        if attempts.is_last(number) {
            let reason = ParkReason::AttemptsUsedUp;
            let verdict = Verdict::Parked { reason, error: error.to_string(), attempts: number };
            return (DeliveryOutcome::Refused, verdict);
        }
        if attempts.limit().is_some() {
            let _ = self.attempts.note(message, number).await;
        }
        (DeliveryOutcome::Refused, Verdict::Retry { after: attempts.pause_after(number) })
    }
}

/// The number of an attempt where none are counted.
pub(super) fn delivery_number(message: &Message) -> u32 {
    message.delivery_count().and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}
