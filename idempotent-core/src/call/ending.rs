//! [`Ending`]: the end of a reservation while it is being recorded.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tracing::Span;

use super::manual::Reservation;
use super::policy::Policy;
use crate::engine::{FinishInBackground, ObservedCall, Settlement, UnrecordedRun};
use crate::model::{CallOutcome, Disposition, NotKept};

/// The end of a reservation. A store in this process has recorded it already; otherwise that begins with the
/// first poll, and is not lost after that.
#[must_use = "what is not recorded leaves the key reserved until the lease ends"]
pub(crate) struct Ending {
    pub(super) recorded: Option<FinishInBackground<()>>,
    /// Holds the seat of work without a record.
    pub(super) unrecorded: Option<Box<UnrecordedRun>>,
    pub(super) observed: Option<Box<ObservedCall>>,
}

impl<T, E> Reservation<T, E> {
    /// What [`complete_as`](Self::complete_as) does.
    pub(crate) fn end_as(mut self, result: &Result<T, E>, disposition: Disposition) -> Ending {
        self.set_judging();
        let settlement = self.held.as_ref().map(|held| {
            let span = held.span();
            let _entered = span.as_ref().map(Span::enter);
            let mut settlement = self.policy.settlement_as(result, held, disposition);
            self.policy.verify(result, &mut settlement, held.as_ref());
            settlement
        });
        self.end(settlement)
    }

    /// Completes the call without its result, for this reason.
    pub(crate) fn end_not_kept(self, why: NotKept, ttl: Option<Duration>) -> Ending {
        let held = self.held.as_ref();
        let settlement = held.map(|held| {
            let span = held.span();
            let _entered = span.as_ref().map(Span::enter);
            Policy::<T, E>::without_result(held, why, ttl)
        });
        self.end(settlement)
    }

    /// Ends the call like this, whatever its result is; without a record there is nothing to settle.
    pub(crate) fn end(self, settlement: impl Into<Option<Settlement>>) -> Ending {
        let Self { held, mut unrecorded, observed, .. } = self;
        if let Some(run) = &mut unrecorded {
            run.returned();
        }
        let recorded = match (held, settlement.into()) {
            (Some(held), Some(settlement)) => held.settle(settlement),
            _ => None,
        };
        Ending { recorded, unrecorded, observed }
    }
}

impl Future for Ending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(recorded) = &mut self.recorded {
            ready!(Pin::new(recorded).poll(cx));
            self.recorded = None;
        }
        let outcome = match self.unrecorded {
            None => CallOutcome::Executed,
            Some(_) => CallOutcome::Unrecorded,
        };
        if let Some(observed) = self.observed.take() {
            observed.ended(outcome);
        }
        Poll::Ready(())
    }
}
