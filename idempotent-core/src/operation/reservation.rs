//! A call whose body is not one closure: reserve here, finish there.

use std::future::{Future, poll_fn};
use std::time::Duration;

use super::Call;
use super::ongoing::{Begun, Ongoing};
use super::policy::Policy;
use crate::disposition::Disposition;
use crate::engine::{Current, Elsewhere, Held, Scoped, Settlement};
use crate::error::Error;
use crate::record::{RecordId, Token};

/// What [`Call::begin`] found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Started<T, E> {
    /// The call ended before, and this is its memoized result.
    Replayed(Result<T, E>),
    /// The key is this caller's: do the work and finish.
    Reserved(Reservation<T, E>),
}

/// A key that this caller holds, its lease renewed for as long as this lives.
///
/// It is consumed by one of its ends, [`finish`](Self::finish), [`release`](Self::release) or
/// [`hold`](Self::hold). Dropping it is the fourth: nobody knows then what had happened, so it
/// holds.
#[must_use = "dropping a reservation leaves its key reserved until the lease ends"]
pub struct Reservation<T, E> {
    /// `None` where the engine fails open: then there is nothing to end.
    held: Option<Held>,
    current: Option<Current>,
    policy: Policy<T, E>,
}

impl<T, E> Call<T, E> {
    /// Reserves the key and leaves the work to the caller: for work that is not one closure, such
    /// as a message that is handled in one place and acknowledged in another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, Operation, Started};
    ///
    /// const SHIP: Operation = Operation::new("ship");
    ///
    /// match SHIP.key("parcel 7").returning::<Result<u32, Error>>().begin().await? {
    ///     Started::Replayed(result) => println!("shipped before: {result:?}"),
    ///     Started::Reserved(reservation) => {
    ///         let result = Ok(42); // the work
    ///         reservation.finish(&result).await;
    ///     }
    ///     _ => unreachable!(),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The refusal, for each [`ErrorKind`](crate::ErrorKind).
    pub async fn begin(self) -> Result<Started<T, E>, Error> {
        let mut call = Ongoing::new(self);
        match poll_fn(|cx| call.poll_begin(cx)).await {
            Begun::Replayed(result) => Ok(Started::Replayed(result)),
            Begun::Refused(error) => Err(error),
            Begun::Body => {
                let (mut held, current, policy) = call.into_parts();
                if let Some(held) = &mut held {
                    // From here on the work may be done at any moment.
                    held.start();
                }
                Ok(Started::Reserved(Reservation { held, current, policy }))
            }
        }
    }
}

impl<T, E> Reservation<T, E> {
    /// The record that is reserved; `None` where the engine fails open.
    #[must_use]
    pub fn record_id(&self) -> Option<&RecordId> {
        self.held.as_ref().map(Held::id)
    }

    /// The reservation's fencing token, for other systems that can check one; `None` where the
    /// engine fails open.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.held.as_ref().map(|held| held.reservation().token())
    }

    /// The largest result that is kept; `None` where the engine fails open and keeps nothing.
    #[cfg(feature = "axum")]
    pub(crate) fn max_result_bytes(&self) -> Option<usize> {
        self.held.as_ref().map(Held::max_result_bytes)
    }

    /// Does a part of the work as a body would: within it, [`current`](crate::current) is this call.
    pub fn scope<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F, T, E> {
        Scoped { call: self.current.clone(), future: work }
    }

    /// Ends the call with a result, whose disposition decides what is kept. When the store fails,
    /// the recording goes on in a task while the lease lasts.
    pub async fn finish(self, result: &Result<T, E>) {
        if let Some(held) = self.held {
            let settlement = self.policy.settlement(result, &held);
            end(held.settle(settlement)).await;
        }
    }

    /// Ends the call with a result whose disposition the caller says, whatever the call's own rule
    /// would: for whoever knows only here what the result means.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Disposition, Error, Operation, Started};
    ///
    /// let call = || Operation::new("ship").key("parcel 7").returning::<Result<u32, Error>>();
    /// if let Started::Reserved(reservation) = call().begin().await? {
    ///     reservation.finish_as(&Ok(42), Disposition::Release).await;
    /// }
    /// assert!(matches!(call().begin().await?, Started::Reserved(_)));
    /// # Ok(()) }
    /// ```
    pub async fn finish_as(self, result: &Result<T, E>, disposition: Disposition) {
        if let Some(held) = self.held {
            let settlement = self.policy.settlement_as(result, &held, disposition);
            end(held.settle(settlement)).await;
        }
    }

    /// Ends the call without its result, for results that are not to be stored, or cannot be: a
    /// *tombstone*. Retries are refused with
    /// [`ResultNotKept`](crate::ErrorKind::ResultNotKept), and run nothing, for `ttl` or the
    /// operation's own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, ErrorKind, Operation, Started};
    ///
    /// let call = || Operation::new("export").key("7").returning::<Result<(), Error>>();
    /// if let Started::Reserved(reservation) = call().begin().await? {
    ///     reservation.withhold(None).await;
    /// }
    /// assert_eq!(call().begin().await.unwrap_err().kind(), ErrorKind::ResultNotKept);
    /// # Ok(()) }
    /// ```
    pub async fn withhold(self, ttl: Option<Duration>) {
        if let Some(held) = self.held {
            let settlement = Policy::<T, E>::withheld(&held, ttl);
            end(held.settle(settlement)).await;
        }
    }

    /// Makes the key vacant at once: nothing had happened.
    pub async fn release(self) {
        if let Some(held) = self.held {
            end(held.settle(Settlement::Release)).await;
        }
    }

    /// Leaves the key reserved until its lease ends: what had happened is not known.
    pub async fn hold(self) {
        if let Some(held) = self.held {
            end(held.settle(Settlement::Hold)).await;
        }
    }
}

async fn end(settling: Option<Elsewhere<()>>) {
    if let Some(settling) = settling {
        settling.await;
    }
}

impl<T, E> std::fmt::Debug for Reservation<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("record", &self.record_id()).finish_non_exhaustive()
    }
}
