//! [`Reconciler`]: the job that asks, and its options.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::doubtful::Doubtful;
use super::doubtful_step::DoubtfulStep;
use super::finding::Finding;
use super::known::Known;
use super::report::Reconciliation;
use crate::engine::idempotency::Idempotency;
use crate::error::Error;
use crate::store::backoff::Backoff;
use crate::store::poll::jittered;

const SETTLE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
const ASKS_PER_PASS: usize = 100;
const CONCURRENCY: usize = 4;

/// Settles calls whose outcome nobody knows, and steps, by asking the other side.
///
/// It finds the indeterminate records of its operations, asks what became of each, and
/// [resolves](Idempotency::resolve) it to that: fenced, so a late owner that completes meanwhile wins or loses cleanly. It does
/// the same for [steps](Self::step) in doubt, also of calls that are suspended and that nobody has resumed yet.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use std::time::Duration;
///
/// use idempotent_core::engine::{Doubtful, Finding, Reconciler};
/// use idempotent_core::model::DerivedKey;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// /// The receipt that the provider gave for a request with this key.
/// async fn find_charge(key: DerivedKey) -> Result<Option<String>, std::io::Error> {
///     # drop(key);
///     Ok(None)
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let reconciler = Reconciler::new(&engine)
///     .operation("shop.charge", |call: Doubtful| async move {
///         match find_charge(call.derive("stripe")).await {
///             Ok(Some(receipt)) => Finding::happened(receipt),
///             Ok(None) => Finding::NeverHappened,
///             Err(_) => Finding::Unknown,
///         }
///     })
///     .settle(Duration::from_secs(120)); // the provider's own timeout is shorter
/// let report = reconciler.pass().await?;
/// println!("{report}");
/// # Ok(()) }
/// ```
///
/// # When it asks
///
/// * Not before a call has been in doubt for the [settle time](Self::settle): a record may become indeterminate at once
///   when its call ends, while the request is still on its way.
/// * *Never happened* counts only if it was said twice, with the settle time in between.
/// * What could not be told is asked again, with [pauses](Self::backoff) that grow.
/// * A pass asks about at most [`asks_per_pass`](Self::asks_per_pass) calls,
///   [`concurrency`](Self::concurrency) at a time: those first that were asked about least often, and of these the oldest.
///
/// Any number of processes may reconcile one store: each asks for itself, and the first to resolve a call does. What it
/// was told is in memory alone, so after a restart it asks anew.
///
/// # What is seen of it
///
/// Each resolution is logged at `INFO`, and with the feature `metrics` there are `idempotent_reconcile_asks_total` and
/// `idempotent_reconcile_oldest_seconds`. A pass also sets `idempotent_indeterminate_records`, as
/// [`count_indeterminate`](Idempotency::count_indeterminate) does.
#[must_use = "a reconciler does nothing until `pass` or `run`"]
pub struct Reconciler {
    pub(super) engine: Idempotency,
    pub(super) operations: HashMap<String, Ask>,
    /// By the operation's name, and then the step's.
    pub(super) steps: HashMap<String, HashMap<String, AskOfStep>>,
    pub(super) settle: Duration,
    pub(super) backoff: Backoff,
    pub(super) ask_timeout: Duration,
    pub(super) asks_per_pass: usize,
    pub(super) concurrency: usize,
    pub(super) is_dry: bool,
    /// Held during a pass, so that there is one at a time.
    pub(super) known: Mutex<Known>,
}

/// Asks what became of a call.
pub(super) type Ask = Arc<dyn Fn(Doubtful) -> Answer + Send + Sync>;

/// Asks what became of a step.
pub(super) type AskOfStep = Arc<dyn Fn(DoubtfulStep) -> Answer + Send + Sync>;

pub(super) type Answer = Pin<Box<dyn Future<Output = Finding> + Send>>;

impl Reconciler {
    /// Creates one that asks about no operation yet.
    pub fn new(engine: &Idempotency) -> Self {
        Self {
            engine: engine.clone(),
            operations: HashMap::new(),
            steps: HashMap::new(),
            settle: SETTLE,
            backoff: Backoff { first: FIRST_PAUSE, longest: LONGEST_PAUSE },
            ask_timeout: ASK_TIMEOUT,
            asks_per_pass: ASKS_PER_PASS,
            concurrency: CONCURRENCY,
            is_dry: false,
            known: Mutex::default(),
        }
    }

    /// Adds an operation, by its name, and how to ask about a call of it. The question must change nothing. One that
    /// panics counts as [`Unknown`](Finding::Unknown).
    pub fn operation<F, Fut>(mut self, name: impl Into<String>, ask: F) -> Self
    where
        F: Fn(Doubtful) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Finding> + Send + 'static,
    {
        self.operations.insert(name.into(), Arc::new(move |call| Box::pin(ask(call))));
        self
    }

    /// Adds a step of an operation's calls, both by their names, and how to ask what became of it: by the key that the step
    /// itself has sent. While a call has steps in doubt that are asked about, it is not asked about itself. The steps are
    /// [resolved](Idempotency::resolve_step), and once none is in doubt, the call goes on.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore};
    /// use idempotent_core::engine::{DoubtfulStep, Finding, Reconciler};
    /// # use idempotent_core::model::DerivedKey;
    /// # async fn find_charge(key: DerivedKey) -> Result<Option<String>, std::io::Error> { Ok(None) }
    /// # let engine = Idempotency::new(MemoryStore::new());
    ///
    /// let reconciler =
    ///     Reconciler::new(&engine).step("shop.checkout", "charge", |step: DoubtfulStep| async move {
    ///         match find_charge(step.derive("stripe")).await {
    ///             Ok(Some(receipt)) => Finding::happened(receipt), // of the step's own type
    ///             Ok(None) => Finding::NeverHappened,
    ///             Err(_) => Finding::Unknown,
    ///         }
    ///     });
    /// ```
    pub fn step<F, Fut>(
        mut self,
        operation: impl Into<String>,
        step: impl Into<String>,
        ask: F,
    ) -> Self
    where
        F: Fn(DoubtfulStep) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Finding> + Send + 'static,
    {
        let steps = self.steps.entry(operation.into()).or_default();
        steps.insert(step.into(), Arc::new(move |step| Box::pin(ask(step))));
        self
    }

    /// How long a request may still be on its way when its call comes in doubt: at least the timeout of the request,
    /// and that of the other system itself. For each call it is at least its lease. Default: one minute.
    pub const fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// The pauses before a call that could not be told of is asked about again: they begin with `first` and double up
    /// to `longest`. Default: 10 seconds and 10 minutes.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// The longest that one question may take; after it the answer is [`Unknown`](Finding::Unknown). Default: 30
    /// seconds.
    pub const fn ask_timeout(mut self, timeout: Duration) -> Self {
        self.ask_timeout = timeout;
        self
    }

    /// About how many calls a pass asks, at least one: fewer, if the steps of so many take more than 16 MiB. Default: 100.
    pub const fn asks_per_pass(mut self, asks: usize) -> Self {
        self.asks_per_pass = if asks == 0 { 1 } else { asks };
        self
    }

    /// How many questions are under way at once, at least one. Default: 4.
    pub const fn concurrency(mut self, asks: usize) -> Self {
        self.concurrency = if asks == 0 { 1 } else { asks };
        self
    }

    /// Asks, and resolves nothing: its reports say what it would have done. Default: off.
    pub const fn dry_run(mut self) -> Self {
        self.is_dry = true;
        self
    }

    /// Looks at all calls and steps in doubt once. It may be dropped at any time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store fails. What was resolved before is.
    pub async fn pass(&self) -> Result<Reconciliation, Error> {
        let mut known = self.known.lock().await;
        self.pass_with(&mut known).await
    }

    /// Makes a pass every so often, until `stop` ends: after each one it waits for a random time between half of `every`
    /// and all of it, so that several processes do not ask at once. A pass that fails is logged at `WARN`, and the next one comes in its time. One that runs when
    /// `stop` ends is dropped.
    ///
    /// ```no_run
    /// # use idempotent_core::{Idempotency, engine::Reconciler};
    /// # async fn reconcile(engine: Idempotency, shutdown: tokio::sync::oneshot::Receiver<()>) {
    /// let reconciler = Reconciler::new(&engine); // with its operations
    /// let stop = async move {
    ///     let _ = shutdown.await;
    /// };
    /// reconciler.run(std::time::Duration::from_secs(30), stop).await;
    /// # }
    /// ```
    pub async fn run(&self, every: Duration, stop: impl Future<Output = ()>) {
        let passes = async {
            loop {
                match self.pass().await {
                    Ok(report) if report.found > 0 => {
                        tracing::info!(dry_run = self.is_dry, "calls in doubt: {report}");
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "calls in doubt could not be reconciled"
                    ),
                }
                sleep(jittered(every)).await;
            }
        };
        let (mut stop, mut passes) = (pin!(stop), pin!(passes));
        poll_fn(|cx| match stop.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => passes.as_mut().poll(cx),
        })
        .await;
    }
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler")
            .field("operations", &self.operations.keys())
            .field("operations_with_steps", &self.steps.keys())
            .field("settle", &self.settle)
            .field("is_dry", &self.is_dry)
            .finish_non_exhaustive()
    }
}
