//! [`crash_everywhere`]: a call that dies before and after each of its writes, and is resumed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::crash::crash;
use super::fault_script::{Fault, StoreMethod, When};
use super::faulty_store::FaultyStore;
use super::manual_clock::ManualClock;
use crate::backends::MemoryStore;
use crate::engine::{Idempotency, current, with_engine};
use crate::error::{Error, ErrorKind};
use crate::store::Store;

/// The writes at which the call dies.
const WRITES: [StoreMethod; 3] =
    [StoreMethod::Reserve, StoreMethod::WriteStep, StoreMethod::Complete];

/// Longer than any lease of a test, and shorter than any ttl.
const LAPSE: Duration = Duration::from_secs(60 * 60);

/// How often a retry may find the call still held.
const RETRIES: usize = 200;

/// The effects of a call, which its body and its steps note when they happen.
#[derive(Clone, Default)]
pub struct Effects(Arc<Mutex<BTreeMap<String, Noted>>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Noted {
    /// The keys that a provider would have got.
    keys: Vec<String>,
    is_once: bool,
}

impl Effects {
    /// Notes an effect of the step or call whose body runs here, with the key that it
    /// [derives](crate::engine::CurrentCall::derive) for it: a provider that gets a key twice does nothing again.
    pub fn note(&self, effect: impl Into<String>) {
        self.noted(effect.into(), false);
    }

    /// Notes an effect of a step that is *at most once*: it may never happen twice.
    pub fn note_once(&self, effect: impl Into<String>) {
        self.noted(effect.into(), true);
    }

    fn noted(&self, effect: String, is_once: bool) {
        let key = current().map(|call| call.derive(&effect).to_string());
        let mut effects = self.effects();
        let noted = effects.entry(effect).or_default();
        noted.keys.push(key.unwrap_or_default());
        noted.is_once = is_once;
    }

    fn effects(&self) -> MutexGuard<'_, BTreeMap<String, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has happened for somebody who honors the keys.
    fn deduplicated(&self) -> BTreeMap<String, Noted> {
        let mut effects = self.effects().clone();
        for noted in effects.values_mut() {
            noted.keys.sort_unstable();
            noted.keys.dedup();
        }
        effects
    }

    fn has_once(&self) -> bool {
        self.effects().values().any(|noted| noted.is_once)
    }

    fn assert_at_most_once(&self, at: &str) {
        for (effect, noted) in &*self.effects() {
            assert!(!noted.is_once || noted.keys.len() == 1, "`{effect}` happened twice {at}");
        }
    }
}

/// What [`crash_everywhere`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crashes {
    /// How often the call died.
    pub crashes: usize,
    /// How often it then ended with its result.
    pub finished: usize,
    /// How often nobody knows what a step did that is *at most once*, so that the call waits.
    pub indeterminate: usize,
}

/// Runs a call, and again with a process that dies just before and just after each of its writes; each time another
/// process runs it to its end.
///
/// It asserts that the result is that of the call that nobody interrupted; that its effects are the same, once a provider
/// has dropped those that came again with the same key; and that no effect of a step that is *at most once* happened
/// twice. Every run is on a fresh store in memory.
///
/// ```
/// use idempotent_core::testing::{Effects, crash_everywhere};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = order, name = "checkout")]
/// async fn checkout(order: u32, effects: Effects) -> Result<u32, Error> {
///     Ok(charge(&effects).await? + order)
/// }
///
/// #[idempotent(step)]
/// async fn charge(effects: &Effects) -> Result<u32, Error> {
///     effects.note("charge");
///     Ok(1990)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let died = crash_everywhere(|effects| checkout(7, effects)).await;
/// assert_eq!((died.crashes, died.finished), (6, 6));
/// # }
/// ```
///
/// # Panics
///
/// If one of these does not hold, or outside of a Tokio runtime.
pub async fn crash_everywhere<T, Fut>(call: impl Fn(Effects) -> Fut) -> Crashes
where
    T: PartialEq + fmt::Debug + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    let clock = ManualClock::new();
    let stores = Mutex::new(BTreeMap::new());
    let store = async |run| {
        let mut stores = stores.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        stores.entry(run).or_insert_with(make).clone()
    };
    crash_everywhere_on(store, async || clock.advance(LAPSE), call).await
}

/// The same on other stores. `store` opens the store of a run, by the run's number: it is called again for the process
/// that resumes the call, and must then find what the first one has written. `lapse` lets the leases of the call lapse.
///
/// # Panics
///
/// Those of [`crash_everywhere`].
pub async fn crash_everywhere_on<S, T, Fut>(
    store: impl AsyncFn(usize) -> S,
    lapse: impl AsyncFn(),
    call: impl Fn(Effects) -> Fut,
) -> Crashes
where
    S: Store,
    T: PartialEq + fmt::Debug + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    let whole = FaultyStore::new(Arc::new(store(0).await));
    let whole_effects = Effects::default();
    let engine = Idempotency::new(whole.clone());
    let expected = with_engine(engine, call(whole_effects.clone())).await;
    let expected = expected.unwrap_or_else(|error| panic!("the call fails by itself: {error}"));
    let mut crashes = Crashes::default();
    for method in WRITES {
        for write in 1..=whole.calls(method) {
            for fault in [Fault::Hang, Fault::HangAfter] {
                let at = format!("{method:?} {write}, {fault:?}");
                crashes.crashes += 1;
                let opened = Arc::new(store(crashes.crashes).await);
                let faulty = FaultyStore::new(opened).on(method, When::Nth(write), fault);
                let effects = Effects::default();
                let engine = Idempotency::new(faulty.clone());
                let process = crash(call(effects.clone()));
                let process = process.within(engine);
                match fault {
                    Fault::Hang => process.when(faulty.until_called(method, write)).await,
                    _ => process.when(faulty.until_answered(method, write)).await,
                };
                lapse().await;
                let engine = Idempotency::new(store(crashes.crashes).await);
                match retry(&engine, &call, &effects).await {
                    Ok(result) => {
                        assert_eq!(result, expected, "another result after a crash at {at}");
                        let (have, wanted) = (effects.deduplicated(), whole_effects.deduplicated());
                        assert_eq!(have, wanted, "other effects after a crash at {at}");
                        crashes.finished += 1;
                    }
                    Err(error) if error.kind() == ErrorKind::Indeterminate => {
                        assert!(whole_effects.has_once(), "in doubt after a crash at {at}");
                        crashes.indeterminate += 1;
                    }
                    Err(error) => panic!("{error} after a crash at {at}"),
                }
                effects.assert_at_most_once(&at);
            }
        }
    }
    crashes
}

/// Runs the call as its caller would, until it is no longer held.
async fn retry<T, Fut>(
    engine: &Idempotency,
    call: &impl Fn(Effects) -> Fut,
    effects: &Effects,
) -> Result<T, Error>
where
    Fut: Future<Output = Result<T, Error>>,
{
    let mut retries = 0;
    loop {
        let answer = with_engine(engine.clone(), call(effects.clone())).await;
        match answer {
            Err(error) if error.is_retryable() && retries < RETRIES => {
                retries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.effects().iter()).finish()
    }
}
