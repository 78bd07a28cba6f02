//! [`InboxHandling`]: one delivery's way where its handler runs within a transaction.

use std::error::Error as _;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Span;

use super::attempt::{Attempted, Uncommitted};
use super::handler::InboxHandler;
use super::outage::is_outage;
use super::pool::InboxPool;
use crate::backends::is_conflict;
use crate::consumer::acquire::{Attempt, End, delivery_number};
use crate::consumer::catch_panic::unless_panics;
use crate::consumer::context::{Context, Stage};
use crate::consumer::delivery::Delivery;
use crate::consumer::execute::{Failed, chain};
use crate::consumer::failure::Failure;
use crate::consumer::keep_alive::Kept;
use crate::consumer::message::Message;
use crate::consumer::outcome::DeliveryOutcome;
use crate::consumer::process::Process;
use crate::consumer::verdict::{ParkReason, Verdict};
use crate::error::{Error, ErrorKind};
use crate::store::backoff::Backoff;
use crate::store::{StoreError, StoreErrorKind};

/// How often a transaction is run that meets a conflict.
const TRIES: u32 = 10;
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(500) };
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const GIVEN_BACK: End = (DeliveryOutcome::GivenBack, Verdict::GivenBack);

/// A handler, the pool of its transactions, and what its errors mean.
pub(super) struct InboxHandling<P: InboxPool, H: InboxHandler<P::Database, A>, A> {
    pool: P,
    handler: H,
    judge: fn(&H::Err) -> Failure,
    arguments: PhantomData<fn(A)>,
}

/// What the end of a transaction means.
enum Next {
    Ended(End),
    /// The same again: it met a conflict, or the database does not answer.
    Again(Reason),
}

enum Reason {
    Conflict,
    Outage,
}

/// A delivery, and which attempt at it this is.
struct Attempting<'a> {
    message: &'a Message,
    attempt: Attempt,
    /// What the broker is told if the handler may not run any more.
    used_up: Option<End>,
}

impl<P: InboxPool, H: InboxHandler<P::Database, A>, A> InboxHandling<P, H, A> {
    pub(super) fn new(pool: P, handler: H, judge: fn(&H::Err) -> Failure) -> Self {
        Self { pool, handler, judge, arguments: PhantomData }
    }

    async fn try_handle(
        &self,
        context: &Context,
        delivery: &Delivery,
        kept: Option<&Kept>,
        span: &Span,
    ) -> End {
        if delivery.is_past_its_deadline() {
            return (DeliveryOutcome::Expired, Verdict::Left);
        }
        let message = delivery.message();
        let first_input = match Self::decode(message) {
            Ok(input) => input,
            Err(why) => {
                let verdict = Verdict::parked(ParkReason::Undecodable, why);
                return (DeliveryOutcome::Refused, verdict);
            }
        };
        let Some(attempting) = attempting(context, message).await else { return GIVEN_BACK };
        let Attempting { attempt, used_up, .. } = &attempting;
        let (pool, handler, may_run) = (&self.pool, &self.handler, used_up.is_none());
        let attempted = Attempted { pool, handler, message, kept, may_run };
        let (mut input, mut conflicts, mut pause) = (Some(first_input), 0, FIRST_PAUSE);
        loop {
            if context.has_reached(Stage::Stopping) {
                context.take_back(message, *attempt, None).await;
                return GIVEN_BACK;
            }
            let Some(call) = context.call(message) else {
                let error = Error::new(ErrorKind::InvalidKey, context.operation.name);
                let error = error.detail("what makes its key or its scope panicked");
                return context.refused(message, &error).await;
            };
            let Ok(input) = input.take().map_or_else(|| Self::decode(message), Ok) else {
                // It was decoded before.
                return (DeliveryOutcome::Refused, Verdict::Retry { after: LONGEST_PAUSE });
            };
            let (start, mut has_run) = (Instant::now(), false);
            let result = context.attempt_within(&attempted, call, input, &mut has_run).await;
            let took = start.elapsed();
            let next = match result {
                Ok(committed) => committed_end(context, &attempting, committed.has_run).await,
                Err(why) => self.uncommitted(context, &attempting, why).await,
            };
            match next {
                Next::Ended(end) => {
                    if has_run {
                        context.telemetry.ran(span, attempt.number, took, end.0);
                    }
                    return end;
                }
                Next::Again(Reason::Conflict) => {
                    conflicts += 1;
                    if conflicts >= TRIES {
                        context.take_back(message, *attempt, None).await;
                        let after = context.settings.attempts.pause_after(delivery_number(message));
                        return (DeliveryOutcome::Failed, Verdict::Retry { after });
                    }
                    sleep(BACKOFF.pause(conflicts)).await;
                }
                Next::Again(Reason::Outage) => {
                    // If this one fails, the consumer pauses.
                    let now = pause;
                    let asking = async move {
                        sleep(now).await;
                        let ask = || context.attempts.noted(message, 1);
                        context.outage.ask(&context.telemetry, ask).await
                    };
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    // Looked at again above.
                    let _ = context.unless_stopping(asking).await;
                }
            }
        }
    }

    fn decode(message: &Message) -> Result<H::Input, String> {
        let panicked = || Err("decoding it panicked".to_owned());
        unless_panics(|| H::decode(message)).unwrap_or_else(panicked)
    }

    /// What it means that nothing was committed, or that nobody knows.
    async fn uncommitted(
        &self,
        context: &Context,
        attempting: &Attempting<'_>,
        why: Uncommitted<H::Err>,
    ) -> Next {
        let Attempting { message, attempt, used_up } = attempting;
        let failed = Failed { message, attempt: *attempt };
        let retried = |outcome, text: String| async move {
            let verdict = context.retry(&failed, Failure::Retry, &text).await;
            Next::Ended((outcome, verdict))
        };
        match why {
            Uncommitted::Failed(error) => self.failed(context, attempting, error).await,
            Uncommitted::Panicked => {
                retried(DeliveryOutcome::Panicked, "the handler panicked".to_owned()).await
            }
            Uncommitted::TimedOut => {
                let text = "the handler ran for longer than `max_run`".to_owned();
                retried(DeliveryOutcome::TimedOut, text).await
            }
            Uncommitted::Kept => {
                let text = "the handler has ended, and something still has its transaction";
                retried(DeliveryOutcome::Failed, text.to_owned()).await
            }
            // Nothing has happened, so it may run elsewhere at once.
            Uncommitted::Halted => Next::Ended((DeliveryOutcome::Interrupted, Verdict::GivenBack)),
            Uncommitted::UsedUp => Next::Ended(used_up.clone().unwrap_or(GIVEN_BACK)),
            Uncommitted::Database(error) if is_conflict(&error) => Next::Again(Reason::Conflict),
            Uncommitted::Database(error) if is_outage::<P>(&error) => Next::Again(Reason::Outage),
            Uncommitted::Database(error) => retried(DeliveryOutcome::Failed, chain(&error)).await,
            Uncommitted::Refused(error) if is_conflict(&error) => Next::Again(Reason::Conflict),
            // The database had ended the transaction, and the handler did not say why.
            Uncommitted::Refused(error) if is_rolled_back(&error) => {
                retried(DeliveryOutcome::Failed, chain(&error)).await
            }
            Uncommitted::Refused(error) if error.kind() == ErrorKind::Store => {
                Next::Again(Reason::Outage)
            }
            Uncommitted::Refused(error) if error.kind() == ErrorKind::Overloaded => {
                Next::Again(Reason::Outage)
            }
            Uncommitted::Refused(error) => {
                context.take_back(message, *attempt, None).await;
                Next::Ended(context.refused(message, &error).await)
            }
        }
    }

    /// The handler returned an error.
    async fn failed(&self, context: &Context, attempting: &Attempting<'_>, error: H::Err) -> Next {
        let judged = || {
            let failure = (self.judge)(&error);
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            let again = match () {
                () if is_conflict(&*error) => Some(Reason::Conflict),
                () if is_outage::<P>(&*error) => Some(Reason::Outage),
                () => None,
            };
            (failure, chain(&*error), again)
        };
        let panicked = || (Failure::Retry, "judging the handler's error panicked".to_owned(), None);
        let (failure, text, again) = unless_panics(judged).unwrap_or_else(panicked);
        if let Some(reason) = again {
            return Next::Again(reason);
        }
        let failed = Failed { message: attempting.message, attempt: attempting.attempt };
        let verdict = match failure {
            Failure::Permanent => context.park(&failed, ParkReason::Permanent, &text),
            Failure::RetryAfter(_) => context.retry(&failed, failure, &text).await,
            Failure::Retry | Failure::Unknown => {
                context.retry(&failed, Failure::Retry, &text).await
            }
        };
        Next::Ended((DeliveryOutcome::Failed, verdict))
    }
}

fn is_rolled_back(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<StoreError>());
    cause.is_some_and(|cause| cause.kind() == StoreErrorKind::RolledBack)
}

/// Which attempt this is; `None` if the consumer stops before the store has answered.
async fn attempting<'a>(context: &Context, message: &'a Message) -> Option<Attempting<'a>> {
    let asking = context.outage.ask(&context.telemetry, || context.attempt(message));
    let (attempt, used_up) = match context.unless_stopping(asking).await? {
        Ok(Ok(attempt)) => (attempt, None),
        // It may be completed, which only its call can tell.
        Ok(Err(end)) => (Attempt { number: 0, is_noted: false }, Some(end)),
        Err(error) => {
            // The broker's count is better than none.
            context.telemetry.refused(message, &error);
            (Attempt { number: delivery_number(message), is_noted: true }, None)
        }
    };
    Some(Attempting { message, attempt, used_up })
}

async fn committed_end(context: &Context, attempting: &Attempting<'_>, has_run: bool) -> Next {
    if has_run {
        return Next::Ended((DeliveryOutcome::Executed, Verdict::Completed));
    }
    context.take_back(attempting.message, attempting.attempt, None).await;
    Next::Ended((DeliveryOutcome::Replayed, Verdict::Completed))
}

impl<P, H, A> Process for InboxHandling<P, H, A>
where
    P: InboxPool,
    H: InboxHandler<P::Database, A>,
    A: 'static,
{
    fn handle<'a>(
        &'a self,
        context: &'a Context,
        delivery: &'a Delivery,
        kept: Option<&'a Kept>,
        span: &'a Span,
    ) -> Pin<Box<dyn Future<Output = End> + Send + 'a>> {
        Box::pin(self.try_handle(context, delivery, kept, span))
    }

    fn is_transactional(&self) -> bool {
        true
    }
}
