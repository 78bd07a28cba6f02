//! [`Process`]: one delivery's way, from its receipt to its settlement.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use tracing::{Instrument, Span};

use super::acquire::{Acquired, End};
use super::catch_panic::unless_panics;
use super::context::Context;
use super::delivery::Delivery;
use super::failure::Failure;
use super::handler::Handler;
use super::keep_alive::Kept;
use super::ordering::{Place, Turn, Unplaceable};
use super::outcome::{DeliveryOutcome, Settled};
use super::room::Held;
use super::verdict::{ParkReason, Verdict};

/// Handles a delivery, whatever the handler's type.
pub(super) trait Process: Send + Sync + 'static {
    /// What becomes of the message, and what the broker is told.
    fn handle<'a>(
        &'a self,
        context: &'a Context,
        delivery: &'a Delivery,
        kept: Option<&'a Kept>,
        span: &'a Span,
    ) -> Pin<Box<dyn Future<Output = End> + Send + 'a>>;

    /// Whether its calls are exactly once.
    fn is_transactional(&self) -> bool;

    /// Whether somebody says what the handler's errors mean.
    fn is_judged(&self) -> bool {
        true
    }

    /// What is wrong with its options.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// How often in a row a delivery waits for as long as a handler may run.
    fn turns(&self) -> u32 {
        1
    }

    /// The same for one run of the consumer.
    fn for_run(self: Arc<Self>) -> Arc<dyn Process>;
}

/// A handler, and what its errors mean.
pub(super) struct Handling<H: Handler<A>, A> {
    handler: H,
    judge: fn(&H::Err) -> Failure,
    is_judged: bool,
    arguments: PhantomData<fn(A)>,
}

impl<H: Handler<A>, A> Handling<H, A> {
    pub(super) fn new(handler: H, judge: fn(&H::Err) -> Failure) -> Self {
        Self { handler, judge, is_judged: true, arguments: PhantomData }
    }

    /// A handler whose errors all mean that nothing happened.
    pub(super) fn retrying(handler: H) -> Self {
        Self { is_judged: false, ..Self::new(handler, |_| Failure::Retry) }
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
        let panicked = || Err("decoding it panicked".to_owned());
        let input = match unless_panics(|| H::decode(message)).unwrap_or_else(panicked) {
            Ok(input) => input,
            Err(why) => {
                let verdict = Verdict::parked(ParkReason::Undecodable, why);
                return (DeliveryOutcome::Refused, verdict);
            }
        };
        match context.acquire(message).await {
            Acquired::Ended(end) => end,
            Acquired::Won(reservation, attempt, _in_hand) => {
                let handler = (&self.handler, self.judge);
                let call = (reservation, attempt);
                context.execute(handler, (message, input), call, (kept, span)).await
            }
        }
    }
}

impl<H: Handler<A>, A: 'static> Process for Handling<H, A> {
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
        false
    }

    fn is_judged(&self) -> bool {
        self.is_judged
    }

    fn for_run(self: Arc<Self>) -> Arc<dyn Process> {
        self
    }
}

/// Handles a delivery, and tells its broker.
pub(super) async fn process(
    process: &dyn Process,
    context: &Context,
    delivery: &Delivery,
    (place, mut held): (Result<Option<Place>, Unplaceable>, Held),
) {
    context.telemetry.received(delivery);
    if context.settings.is_keyed_by_id && !delivery.message().has_own_id() {
        context.telemetry.without_own_id(delivery.message());
    }
    let span = context.telemetry.span(&context.settings.engine, delivery.message());
    // One that is past its deadline may be another's by now.
    let is_late = delivery.is_past_its_deadline();
    let kept = if is_late { None } else { context.keep_alive.keep(delivery) };
    let handled = async {
        match in_turn(context, &place).await {
            Some(end) => end,
            None => process.handle(context, delivery, kept.as_ref(), &span).await,
        }
    };
    let (outcome, verdict) = handled.instrument(span.clone()).await;
    if verdict == Verdict::Completed {
        held.wait_for_confirmation();
    }
    let (verdict, confirmed) = context.tell(delivery, verdict, kept).await;
    if let Ok(Some(place)) = place {
        place.settled(&verdict, confirmed);
    }
    let message = delivery.message();
    context.telemetry.settled(&span, message, outcome, &verdict);
    if let Some(on_settled) = &context.settings.on_settled {
        on_settled(&Settled { message, outcome, verdict: &verdict, confirmed });
    }
}

/// Waits until it is the message's turn. Otherwise it has ended.
async fn in_turn(context: &Context, place: &Result<Option<Place>, Unplaceable>) -> Option<End> {
    let place = match place {
        Ok(place) => place.as_ref()?,
        Err(Unplaceable) => {
            let text = "what makes its ordering key panicked";
            let verdict = Verdict::parked(ParkReason::InvalidKey, text);
            return Some((DeliveryOutcome::Refused, verdict));
        }
    };
    match context.unless_stopping(place.turn()).await {
        Some(Turn::Now) => None,
        Some(Turn::After(after)) => Some((DeliveryOutcome::Busy, Verdict::Busy { after })),
        None => Some((DeliveryOutcome::GivenBack, Verdict::GivenBack)),
    }
}
