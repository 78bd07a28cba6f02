//! [`Consumer::run`]: receiving deliveries, and stopping.

use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::announce::announce;
use super::attempt_log::SUFFIX;
use super::builder::Consumer;
use super::context::{Context, Stage};
use super::delivery::Delivery;
use super::error::{ConsumerError, SourceError, SourceErrorKind};
use super::process::{Process, process};
use super::room::{Held, Room};
use super::settings::Settings;
use super::source::{Needs, Source, Terms};
use super::telemetry::Telemetry;
use crate::model::Guarantee;

/// How long the name of an operation may be, in bytes.
const MAX_NAME: usize = 128;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a source may take to stop.
const STOP_SOURCE: Duration = Duration::from_secs(5);
/// How long what is told to brokers after a halt may take.
const AFTER_HALT: Duration = Duration::from_secs(5);

impl Consumer {
    /// Handles deliveries until `shutdown` ends.
    ///
    /// Then nothing is received any more, what has not started is given back to the broker at once, and running
    /// handlers finish, for as long as [`stop_within`](super::ConsumerBuilder::stop_within) says. What still runs then
    /// is dropped, and its messages are delivered again once their leases have lapsed. A source that does not stop, and a
    /// broker that does not answer then, take up to ten seconds more.
    ///
    /// A broker or a store that does not answer does not end it: it waits for them. A future that is dropped instead
    /// drops its handlers as well, as a crash would.
    ///
    /// ```no_run
    /// # use idempotent_core::consumer::{Consumer, ConsumerError, Source};
    /// # async fn start(consumer: Consumer, source: impl Source) -> Result<(), ConsumerError> {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// // `stop.send(())` at SIGTERM.
    /// consumer.run(source, async { drop(stopped.await) }).await?;
    /// # drop(stop);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Misconfigured`] and [`ConsumerError::Source`] at the start, before anything is received, if
    /// the options, the engine and the source do not go together. Later [`ConsumerError::Source`] if the source is
    /// gone, and [`ConsumerError::Misconfigured`] if the engine refuses every call. Handlers that run then finish as
    /// after a shutdown.
    pub async fn run(
        &self,
        mut source: impl Source,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ConsumerError> {
        let mut shutdown = pin!(shutdown);
        let settings = &self.settings;
        check(settings, &*self.process)?;
        let terms = {
            let starting = pin!(start(&mut source, settings));
            match select(shutdown.as_mut(), starting).await {
                Either::Left(_) => return Ok(()),
                Either::Right((terms, _)) => terms?,
            }
        };
        let lease = lease(settings, &terms)?;
        let telemetry = Telemetry::new(settings.operation.name, terms.clone());
        announce(settings, &terms, lease, self.process.is_judged());
        let mut fitting = settings.clone();
        fitting.operation.max_run = Some(max_run(settings, &terms, self.process.turns())?);
        let context = Arc::new(Context::new(fitting, lease, telemetry));
        let _keep_alive = AbortOnDrop::spawn(Arc::clone(&context.keep_alive).run());
        let _confirming = AbortOnDrop::spawn(Arc::clone(&context.confirming).run());
        let process = Arc::clone(&self.process).for_run();
        let mut receiving =
            AbortOnDrop::spawn(receive_until_stopped(process, Arc::clone(&context), source));
        let ended = match select(shutdown, &mut receiving.0).await {
            Either::Left(_) => None,
            Either::Right((ended, _)) => Some(ended),
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                context.advance(Stage::Stopping);
                (&mut receiving.0).await
            }
        };
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            resume_unwind(panic);
        }
        context.telemetry.ended();
        context.take_failure().map_or(Ok(()), Err)
    }
}

/// A task, since whoever is woken for each delivery should be among the handlers: a thread that waits for the consumer to end is
/// woken at the price of a system call.
async fn receive_until_stopped(
    process: Arc<dyn Process>,
    context: Arc<Context>,
    mut source: impl Source,
) {
    let mut handlers = JoinSet::new();
    receive(&process, &context, &mut source, &mut handlers).await;
    context.advance(Stage::Stopping);
    stop(&context, &mut source, &mut handlers).await;
}

/// Receives deliveries until the consumer stops, or cannot go on.
async fn receive(
    handling: &Arc<dyn Process>,
    context: &Arc<Context>,
    source: &mut impl Source,
    handlers: &mut JoinSet<()>,
) {
    let room = Room::new(context.settings.concurrency.get());
    let mut failures = 0;
    let mut stopping = pin!(context.reached(Stage::Stopping));
    loop {
        let receiving = pin!(next(source, &room));
        let received = match select(stopping.as_mut(), receiving).await {
            Either::Left(_) => return,
            Either::Right((received, _)) => received,
        };
        while let Some(ended) = handlers.try_join_next() {
            report(ended);
        }
        match received {
            Ok(Some((delivery, held))) => {
                failures = 0;
                let handling = Arc::clone(handling);
                let context = Arc::clone(context);
                // In the order in which they are received.
                let place = context.place(delivery.message());
                handlers.spawn(async move {
                    process(&*handling, &context, &delivery, (place, held)).await;
                });
            }
            Ok(None) => return,
            Err(error) if error.kind() == SourceErrorKind::Unavailable => {
                failures += 1;
                let pause = pause(failures);
                context.telemetry.source_failed(&error, pause);
                if let Either::Left(_) = select(stopping.as_mut(), pin!(sleep(pause))).await {
                    return;
                }
            }
            Err(error) => return context.fail(error.into()),
        }
    }
}

/// The next delivery, once there is room for it.
async fn next(
    source: &mut impl Source,
    room: &Room,
) -> Result<Option<(Delivery, Held)>, SourceError> {
    let Some(held) = room.enter().await else { return Ok(None) };
    let free = NonZeroUsize::MIN.saturating_add(room.free());
    Ok(Some((source.next(free).await?, held)))
}

/// Starts the source, however long its broker takes to answer.
async fn start(source: &mut impl Source, settings: &Settings) -> Result<Terms, ConsumerError> {
    let needs = Needs::of(settings.operation.name).concurrency(settings.concurrency.get());
    let needs = needs.ttl(settings.ttl());
    let needs = match settings.attempts.limit() {
        Some(limit) => needs.attempts(limit),
        None => needs,
    };
    let mut failures = 0;
    loop {
        match source.start(&needs).await {
            Err(error) if error.kind() == SourceErrorKind::Unavailable => {
                failures += 1;
                let pause = pause(failures);
                let terms = Terms::new("", "");
                Telemetry::new(settings.operation.name, terms).source_failed(&error, pause);
                sleep(pause).await;
            }
            started => return Ok(started?),
        }
    }
}

/// Stops the source, and waits for the handlers.
async fn stop(context: &Context, source: &mut impl Source, handlers: &mut JoinSet<()>) {
    match timeout(STOP_SOURCE, source.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => context.telemetry.source_failed(&error, Duration::ZERO),
        Err(_) => tracing::warn!("the source did not stop in time"),
    }
    if timeout(context.settings.stop_within, join(handlers)).await.is_err() {
        context.advance(Stage::Halted);
        if timeout(AFTER_HALT, join(handlers)).await.is_err() {
            // Not waited for: one that blocks its thread ends when it likes.
            handlers.abort_all();
        }
    }
}

async fn join(handlers: &mut JoinSet<()>) {
    while let Some(ended) = handlers.join_next().await {
        report(ended);
    }
}

/// A delivery whose task panicked is delivered again after its deadline.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "a delivery was dropped");
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures - 1);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// What can be said of the options before the broker is asked.
fn check(settings: &Settings, process: &dyn Process) -> Result<(), ConsumerError> {
    let wrong = |text| Err(ConsumerError::Misconfigured(std::borrow::Cow::Borrowed(text)));
    if settings.operation.name.len() + SUFFIX.len() > MAX_NAME {
        return wrong("its name is longer than 119 bytes");
    }
    process.check().or_else(wrong)?;
    match (settings.operation.guarantee, process.is_transactional()) {
        (Guarantee::ExactlyOnce, false) => {
            return wrong(
                "an exactly-once call must run in a transaction: let the handler do so with `within`, or write \
                 `at_least_once`, and let the handler call a function with `tx`",
            );
        }
        (Guarantee::AtMostOnce, true) => {
            return wrong(
                "a handler within a transaction is exactly once: leave `at_most_once` out",
            );
        }
        _ => {}
    }
    if settings.engine.settings().fail_open {
        return wrong(
            "its engine fails open, so messages would be acknowledged whose result is not recorded: give the \
             consumer an engine that fails closed",
        );
    }
    Ok(())
}

/// The lease of the consumer's calls: at most half of the broker's deadline, so that the reservation of a worker that
/// died has lapsed when its message comes again.
fn lease(settings: &Settings, terms: &Terms) -> Result<Duration, ConsumerError> {
    let (lease, ttl) = (settings.lease(), settings.ttl());
    if let Some(deadline) = terms.deadline.filter(|deadline| *deadline > ttl) {
        let text = format!(
            "a `ttl` of {ttl:?} is shorter than the {deadline:?} after which the broker delivers a message again, which would \
             then always run again: write at least {deadline:?}, and more than the broker can be away"
        );
        return Err(ConsumerError::Misconfigured(text.into()));
    }
    let Some(most) = terms.deadline.map(|deadline| deadline / 2) else { return Ok(lease) };
    match settings.operation.lease {
        Some(asked) if asked > most => {
            let text = format!(
                "a lease of {asked:?} is longer than half of the time after which the broker delivers again: write at \
                 most {most:?}, or let the broker wait for longer"
            );
            Err(ConsumerError::Misconfigured(text.into()))
        }
        _ => Ok(lease.min(most).min(settings.ttl())),
    }
}

/// How long a handler may run: no longer than its broker waits, where that cannot be prolonged.
fn max_run(settings: &Settings, terms: &Terms, turns: u32) -> Result<Duration, ConsumerError> {
    let max_run = settings.max_run();
    let Some(most) = terms.longest_run.map(|longest| longest / turns) else { return Ok(max_run) };
    match settings.operation.max_run {
        Some(asked) if asked > most => {
            let text = format!(
                "a `max_run` of {asked:?} is longer than the broker waits for a delivery: write at most {most:?}, or let \
                 the broker wait for longer"
            );
            Err(ConsumerError::Misconfigured(text.into()))
        }
        _ => Ok(max_run.min(most)),
    }
}

/// A task that ends with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(all(test, feature = "moka"))]
mod tests {
    use super::*;
    use crate::backends::MemoryStore;
    use crate::engine::Idempotency;

    #[test]
    fn a_handler_runs_no_longer_than_its_broker_waits() {
        let [minute, hour] = [60, 3600].map(Duration::from_secs);
        let engine = Idempotency::new(MemoryStore::new());
        let settings = |max_run: Option<Duration>| {
            let builder = Consumer::builder("shop.ship", &engine);
            let builder = match max_run {
                Some(max_run) => builder.max_run(max_run),
                None => builder,
            };
            builder.handler(|_: String| async { Ok::<_, String>(()) }).settings
        };
        let endless = Terms::new("test", "orders");
        assert_eq!(max_run(&settings(Some(hour)), &endless, 1).unwrap(), hour);
        let terms = endless.longest_run(minute);
        assert_eq!(max_run(&settings(None), &terms, 1).unwrap(), minute);
        assert_eq!(max_run(&settings(None), &terms, 3).unwrap(), minute / 3);
        assert_eq!(max_run(&settings(Some(minute / 2)), &terms, 1).unwrap(), minute / 2);
        let error = max_run(&settings(Some(hour)), &terms, 1).unwrap_err();
        assert!(error.to_string().contains("write at most 60s"), "{error}");
    }
}
