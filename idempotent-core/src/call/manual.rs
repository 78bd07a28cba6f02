//! A call in separate steps: reserve here, complete there.

use std::future::{Future, poll_fn};
use std::time::Duration;

use tracing::Span;

use super::execution::{Execution, Parts};
use super::policy::Policy;
use super::typed::Call;
#[cfg(feature = "consumer")]
use crate::engine::AwaitedEnd;
use crate::engine::{
    CurrentCall, HeldReservation, InCurrentCall, ObservedCall, Settlement, UnknownEnd,
    UnrecordedRun,
};
use crate::error::Error;
use crate::model::{Disposition, NotKept, RecordId, Token};

/// What [`Call::begin`] returns.
#[derive(Debug)]
#[non_exhaustive]
pub enum BeginOutcome<T, E> {
    /// The call has already completed, and this is its memoized result.
    Replayed(Result<T, E>),
    /// The caller now holds the key: do the work, then complete the reservation.
    Reserved(Reservation<T, E>),
}

/// A key that the caller holds. Its lease is renewed as long as this value lives.
///
/// [`complete`](Self::complete), [`release`](Self::release), [`abandon`](Self::abandon) or
/// [`hold_for_lease`](Self::hold_for_lease) consumes it. Dropping it holds the key for the lease, as
/// work may still be going on; dropping it in a panic abandons it.
#[must_use = "dropping a reservation leaves its key reserved until the lease ends"]
pub struct Reservation<T, E> {
    /// `None` if the store failed and the engine fails open: then there is nothing to end.
    pub(super) held: Option<HeldReservation>,
    /// Holds the seat of work without a record.
    pub(super) unrecorded: Option<Box<UnrecordedRun>>,
    pub(super) policy: Policy<T, E>,
    pub(super) observed: Option<Box<ObservedCall>>,
}

impl<T, E> Call<T, E> {
    /// Reserves the key and leaves the work to the caller: for work that is not one closure, such
    /// as a message that is handled in one place and acknowledged in another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::call::BeginOutcome;
    /// use idempotent_core::{Error, Operation};
    ///
    /// const SHIP: Operation = Operation::new("ship");
    ///
    /// match SHIP.key("parcel 7").returning::<Result<u32, Error>>().begin().await? {
    ///     BeginOutcome::Replayed(result) => println!("shipped before: {result:?}"),
    ///     BeginOutcome::Reserved(reservation) => {
    ///         let result = Ok(42); // the work
    ///         reservation.complete(&result).await;
    ///     }
    ///     _ => unreachable!(),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal, which can be of any [`ErrorKind`](crate::ErrorKind).
    pub async fn begin(self) -> Result<BeginOutcome<T, E>, Error> {
        let mut execution = Execution::new(self);
        if let Some(result) = poll_fn(|cx| execution.poll_acquire(cx)).await? {
            return Ok(BeginOutcome::Replayed(result));
        }
        let Parts { mut held, unrecorded, policy, observed } = execution.into_parts();
        if let Some(held) = &mut held {
            // From here on the work may have effects at any moment.
            held.set_running();
        }
        let reservation = Reservation { held, unrecorded, policy, observed };
        Ok(BeginOutcome::Reserved(reservation))
    }
}

impl<T, E> Reservation<T, E> {
    /// The id of the reserved record; `None` if the store failed and the engine fails open.
    #[must_use]
    pub fn record_id(&self) -> Option<&RecordId> {
        self.held.as_ref().map(HeldReservation::id)
    }

    /// The reservation's fencing token, for other systems that can check one; `None` if the store
    /// failed and the engine fails open.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.held.as_ref().map(|held| held.reservation().token())
    }

    /// The largest result that is kept; `None` if there is no record to keep it in.
    #[cfg(feature = "axum")]
    pub(crate) fn max_result_bytes(&self) -> Option<usize> {
        self.held.as_ref().map(HeldReservation::max_result_bytes)
    }

    /// Runs a part of the work as a body would: inside it, [`current`](crate::current) returns this
    /// call, and the call's span is the current one.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F, T, E> {
        InCurrentCall { call: self.current_call(), span: self.span(), future: work }
    }

    /// Where it is written what became of the key, once the store has said so; `None` if there is no record. The result is
    /// tried to be recorded for as long as this lives, and while the lease lasts.
    #[cfg(feature = "consumer")]
    pub(crate) fn listen(&mut self) -> Option<std::sync::Arc<AwaitedEnd>> {
        self.held.as_mut().map(HeldReservation::listen)
    }

    /// Ends the call as one that is unknown, for this reason.
    #[cfg(feature = "consumer")]
    pub(crate) async fn abandon_because(self, error: &'static str) {
        let end = UnknownEnd { error: Some(error.into()), ..UnknownEnd::default() };
        self.end(Settlement::Unknown(end)).await;
    }

    /// The call that the work is a part of.
    pub(crate) fn current_call(&self) -> Option<CurrentCall> {
        let unrecorded = || self.unrecorded.as_ref().map(|run| run.current.clone());
        self.held.as_ref().map(HeldReservation::current_call).or_else(unrecorded)
    }

    /// The call's span, if somebody records it.
    fn span(&self) -> Option<Box<Span>> {
        match (&self.held, &self.unrecorded) {
            (Some(held), _) => held.span(),
            (None, run) => run.as_ref()?.span(),
        }
    }

    /// Completes the call with a result, whose disposition decides what is kept. If the store
    /// fails, the recording continues in a task while the lease lasts.
    ///
    /// A result that a replay would not return leaves a tombstone, which is logged, if the engine
    /// [verifies results](crate::IdempotencyBuilder::verify_results).
    pub async fn complete(mut self, result: &Result<T, E>) {
        self.set_judging();
        let policy = &self.policy;
        let settlement = self.held.as_ref().map(|held| {
            let span = held.span();
            let _entered = span.as_deref().map(Span::enter);
            let mut settlement = policy.settlement(result, held);
            policy.verify(result, &mut settlement, held.as_ref());
            settlement
        });
        self.end(settlement).await;
    }

    /// Completes the call with a result and an explicit disposition, which replaces the call's own
    /// rule: for code that learns only here what the result means.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::call::BeginOutcome;
    /// use idempotent_core::{Disposition, Error, Operation};
    ///
    /// let call = || Operation::new("ship").key("parcel 7").returning::<Result<u32, Error>>();
    /// if let BeginOutcome::Reserved(reservation) = call().begin().await? {
    ///     reservation.complete_as(&Ok(42), Disposition::Release).await;
    /// }
    /// assert!(matches!(call().begin().await?, BeginOutcome::Reserved(_)));
    /// # Ok(()) }
    /// ```
    pub async fn complete_as(self, result: &Result<T, E>, disposition: Disposition) {
        self.end_as(result, disposition).await;
    }

    /// Completes the call without its result, for results that must not or cannot be stored. This
    /// leaves a *tombstone*: retries are refused with
    /// [`ResultNotKept`](crate::ErrorKind::ResultNotKept), and do not run the body, for `ttl` or
    /// the operation's own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::call::BeginOutcome;
    /// use idempotent_core::{Error, ErrorKind, Operation};
    ///
    /// let call = || Operation::new("export").key("7").returning::<Result<(), Error>>();
    /// if let BeginOutcome::Reserved(reservation) = call().begin().await? {
    ///     reservation.complete_without_result(None).await;
    /// }
    /// assert_eq!(call().begin().await.unwrap_err().kind(), ErrorKind::ResultNotKept);
    /// # Ok(()) }
    /// ```
    pub async fn complete_without_result(self, ttl: Option<Duration>) {
        self.end_not_kept(NotKept::Withheld, ttl).await;
    }

    /// Makes the key vacant at once: there was no effect.
    pub async fn release(self) {
        self.end(Settlement::Release).await;
    }

    /// Says that the work has ended and that nobody knows what it did: see
    /// [`Disposition::Unknown`]. Under *at least once* the key is vacant at once, under *at most
    /// once* the record is indeterminate at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::backends::MemoryStore;
    /// use idempotent_core::call::BeginOutcome;
    /// use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation};
    ///
    /// let engine = Idempotency::new(MemoryStore::new());
    /// let ship = Operation::new("ship").guarantee(Guarantee::AtMostOnce);
    /// let call = || ship.key("parcel 7").engine(&engine).returning::<Result<u32, Error>>();
    /// if let BeginOutcome::Reserved(reservation) = call().begin().await? {
    ///     reservation.abandon().await; // the carrier's answer was lost
    /// }
    /// assert_eq!(call().begin().await.unwrap_err().kind(), ErrorKind::Indeterminate);
    /// # Ok(()) }
    /// ```
    pub async fn abandon(self) {
        self.end(Settlement::Unknown(UnknownEnd::default())).await;
    }

    /// Leaves the key reserved until its lease lapses: work may still be going on elsewhere. See
    /// [`Disposition::HoldForLease`].
    pub async fn hold_for_lease(self) {
        self.end(Settlement::HoldForLease).await;
    }

    /// The engine that the work is counted in.
    #[cfg(feature = "axum")]
    pub(crate) fn engine(&self) -> Option<&crate::engine::Idempotency> {
        let unrecorded = || self.unrecorded.as_ref().map(|run| &run.engine);
        self.held.as_ref().map(HeldReservation::engine).or_else(unrecorded)
    }

    /// The HTTP status of the last idempotent call that was refused in this one's
    /// [scope](Self::scope).
    #[cfg(any(feature = "consumer", feature = "http"))]
    pub(crate) fn refused_status(&self) -> Option<u16> {
        self.held.as_ref().and_then(HeldReservation::refused_status)
    }

    pub(super) fn set_judging(&mut self) {
        if let Some(held) = &mut self.held {
            held.set_judging();
        }
    }
}

impl<T, E> std::fmt::Debug for Reservation<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("record", &self.record_id()).finish_non_exhaustive()
    }
}
