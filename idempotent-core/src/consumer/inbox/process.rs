//! [`InboxHandling`]: one delivery's way where its handler runs within a transaction.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Span;

use super::attempt::{Attempted, Uncommitted};
use super::group::{Member, Together};
use super::groups::{Groups, Joined, MOST, with_turn};
use super::handler::InboxHandler;
use super::lanes::Lanes;
use super::next::{Again, Attempting, GIVEN_BACK, Next, database_error};
use super::pool::InboxPool;
use crate::backends::is_conflict;
use crate::consumer::acquire::{Attempt, End, delivery_number};
use crate::consumer::catch_panic::unless_panics;
use crate::consumer::context::{Context, Stage};
use crate::consumer::delivery::Delivery;
use crate::consumer::execute::chain;
use crate::consumer::failure::Failure;
use crate::consumer::keep_alive::Kept;
use crate::consumer::message::Message;
use crate::consumer::outcome::DeliveryOutcome;
use crate::consumer::process::Process;
use crate::consumer::verdict::{ParkReason, Verdict};
use crate::error::{Error, ErrorKind};
use crate::store::backoff::Backoff;

/// How often a transaction is run that meets a conflict.
const TRIES: u32 = 10;
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(500) };
/// How often a handler may fail as if the database did not answer, although it does.
const MOST_FALSE_OUTAGES: u32 = 3;
/// How often a message is tried whose group has just failed, and whose lock somebody has: for 3 seconds in all.
const TRIES_AFTER_GROUP: u32 = 6;
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A handler, its transactions, and what its errors mean.
pub(super) struct InboxHandling<P: InboxPool, H: InboxHandler<P::Database, A>, A> {
    lanes: Arc<Lanes<P>>,
    handler: Arc<H>,
    judge: fn(&H::Err) -> Failure,
    /// How many messages share a transaction at most.
    group: usize,
    /// Those of this run, if any do.
    groups: Option<Groups<H::Input>>,
    arguments: PhantomData<fn(A)>,
}

/// What one delivery has met so far.
struct Met {
    conflicts: u32,
    /// The database answers, and the handler has failed as if it did not.
    false_outages: u32,
    /// The database answers, and the store refused the call as if it did not.
    refusals: u32,
    pause: Duration,
    /// How often it may still find that its own group, which is being undone, has its lock.
    own_group: u32,
}

impl<P: InboxPool, H: InboxHandler<P::Database, A>, A> InboxHandling<P, H, A> {
    pub(super) fn new(
        pool: P,
        handler: Arc<H>,
        judge: fn(&H::Err) -> Failure,
        group: usize,
    ) -> Self {
        let groups = (group > 1).then(|| Groups::new(group, P::GROUPS));
        Self { lanes: Lanes::of(pool), handler, judge, group, groups, arguments: PhantomData }
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
        let attempt = attempting.attempt;
        let may_run = attempting.used_up.is_none();
        let attempted = Attempted { handler: &*self.handler, message, kept, may_run };
        let mut input = Some(first_input);
        let (mut turn, mut own_group) = (None, 0);
        if let (Some(groups), true) = (&self.groups, attempting.may_share_its_transaction()) {
            if let (Some(input), Some(call)) = (input.take(), context.call(message)) {
                let (message, own_span) = (message.clone(), span.clone());
                let kept = kept.map(Kept::handle);
                let member = Member { message, call, input, kept, span: own_span };
                match groups
                    .join::<P, H, A>(context, (&self.lanes.pool, attempted.handler), member)
                    .await
                {
                    Joined::Alone(None) => own_group = TRIES_AFTER_GROUP,
                    Joined::Alone(held) => turn = held,
                    Joined::Together(end) => {
                        if let Some(end) = self.ended(context, &attempting, end, span).await {
                            return end;
                        }
                    }
                }
            }
        }
        let mut met =
            Met { conflicts: 0, false_outages: 0, refusals: 0, pause: FIRST_PAUSE, own_group };
        loop {
            if context.has_reached(Stage::Stopping) {
                context.take_back(message, attempt, None).await;
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
            let call = (call, input);
            let running = context.attempt_within(&self.lanes, &attempted, call, &mut has_run);
            let result = with_turn(turn.take(), context.group_time(), running).await;
            let took = start.elapsed();
            let next = match result {
                Ok(committed) => committed_end(context, &attempting, committed.has_run).await,
                Err(Uncommitted::Refused(error)) if !has_run && met.meets_own_group(&error) => {
                    Next::Again(Again::Busy)
                }
                Err(why) => attempting.uncommitted::<P, _>(context, self.judge, why, has_run).await,
            };
            let ended = match next {
                Next::Ended(end) => Some(end),
                Next::Again(again) => {
                    self.again(context, &attempting, again, has_run, &mut met).await
                }
            };
            if let Some(end) = ended {
                if has_run {
                    context.telemetry.ran(span, attempt.number, took, end.0);
                }
                return end;
            }
        }
    }

    /// The end of a message that was handled with others; `None` if it has to be handled by itself after all.
    async fn ended(
        &self,
        context: &Context,
        attempting: &Attempting<'_>,
        together: Together,
        span: &Span,
    ) -> Option<End> {
        let next = match together {
            Together::Committed { has_run, took } => {
                let next = committed_end(context, attempting, has_run).await;
                if let (true, Next::Ended(end)) = (has_run, &next) {
                    context.telemetry.ran(span, attempting.attempt.number, took, end.0);
                }
                next
            }
            Together::Refused(error) => {
                let why = Uncommitted::Refused(error);
                attempting.uncommitted::<P, _>(context, self.judge, why, false).await
            }
            Together::Halted => {
                let why = Uncommitted::Halted;
                attempting.uncommitted::<P, _>(context, self.judge, why, true).await
            }
            Together::NotStarted => {
                let why = Uncommitted::NotStarted;
                attempting.uncommitted::<P, _>(context, self.judge, why, false).await
            }
        };
        match next {
            Next::Ended(end) => Some(end),
            Next::Again(_) => None,
        }
    }

    fn decode(message: &Message) -> Result<H::Input, String> {
        let panicked = || Err("decoding it panicked".to_owned());
        unless_panics(|| H::decode(message)).unwrap_or_else(panicked)
    }

    /// Waits before the transaction is run again. An end, if it is not: what is not the database's fault counts as an
    /// attempt, sooner or later.
    async fn again(
        &self,
        context: &Context,
        attempting: &Attempting<'_>,
        again: Again,
        has_run: bool,
        met: &mut Met,
    ) -> Option<End> {
        let (error, is_unclear) = match again {
            Again::Conflict(text) => {
                met.conflicts += 1;
                if met.conflicts >= TRIES {
                    let outcome = DeliveryOutcome::Failed;
                    return Some(attempting.retried(context, outcome, &text).await);
                }
                sleep(BACKOFF.pause(met.conflicts)).await;
                return None;
            }
            Again::Busy => {
                let _ = context.unless_stopping(sleep(met.take_pause())).await;
                return None;
            }
            Again::Outage(error) => (error, false),
            Again::Unclear(error) => (error, true),
        };
        let pause = met.take_pause();
        let asking = async move {
            sleep(pause).await;
            // While this fails, the consumer pauses.
            context.outage.ask(&context.telemetry, || self.answers(context)).await
        };
        // `None` is looked at again by the caller.
        if context.unless_stopping(asking).await?.is_err() {
            return None;
        }
        if !has_run {
            met.refusals = met.refusals.saturating_add(1);
            if met.refusals == MOST_FALSE_OUTAGES {
                context.telemetry.refused(attempting.message, &error);
            }
            return None;
        }
        met.false_outages += 1;
        if met.false_outages < MOST_FALSE_OUTAGES {
            return None;
        }
        if is_unclear {
            let text = "whether its transaction is committed is unknown, again and again";
            return Some(attempting.retried_unclear(context, text).await);
        }
        let (outcome, text) = (DeliveryOutcome::Failed, chain(&error));
        Some(attempting.retried(context, outcome, &text).await)
    }

    /// Whether the database begins transactions. If others write, it does.
    async fn answers(&self, context: &Context) -> Result<(), Error> {
        match context.begin_within(&self.lanes.pool, None).await {
            Ok(_) => Ok(()),
            Err(error) if is_conflict(&error) => Ok(()),
            Err(error) => Err(database_error(context.operation.name, error)),
        }
    }
}

impl Met {
    /// Whether the lock that it needs may be that of its own group, which the database has not undone yet.
    fn meets_own_group(&mut self, error: &Error) -> bool {
        let may_meet = error.kind() == ErrorKind::InProgress && self.own_group > 0;
        self.own_group -= u32::from(may_meet);
        may_meet
    }

    fn take_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Which attempt this is; `None` if the consumer stops while the store does not answer.
async fn attempting<'a>(context: &Context, message: &'a Message) -> Option<Attempting<'a>> {
    if context.has_reached(Stage::Stopping) {
        return None;
    }
    // Not dropped half way, since it would count as an attempt whose handler did not run.
    let ask = || context.attempt(message);
    let stopping = context.reached(Stage::Stopping);
    let asking = context.outage.ask_to_the_end(&context.telemetry, ask, stopping);
    let (attempt, used_up) = match asking.await? {
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

    fn check(&self) -> Result<(), &'static str> {
        match self.group {
            1..=MOST => Ok(()),
            _ => Err("a group has from 1 to 50 messages: write another number in `group`"),
        }
    }

    fn turns(&self) -> u32 {
        // Another group's, its own group's, and by itself if that one failed.
        if self.groups.is_some() { 3 } else { 1 }
    }

    fn for_run(self: Arc<Self>) -> Arc<dyn Process> {
        if self.groups.is_none() {
            return self;
        }
        let (pool, handler) = (self.lanes.pool.clone(), Arc::clone(&self.handler));
        Arc::new(Self::new(pool, handler, self.judge, self.group))
    }
}
