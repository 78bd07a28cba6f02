//! [`Idempotency`]: a handle to an engine, and what all handles of one engine share.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::acquire::OperationNames;
use super::authenticity::Authenticity;
use super::circuit::Circuit;
use super::in_flight::InFlight;
#[cfg(feature = "consumer")]
use super::keys_in_hand::KeysInHand;
use super::lease::Renewals;
use super::limits::{Limiter, Shares};
use super::outcome_observer::{ObservedCall, Observers};
use super::settings::Settings;
use super::telemetry::Telemetry;
use crate::store::Store;

/// An engine: a store, defaults and limits. It is cheap to clone, and all clones are the same
/// engine.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::{Error, Idempotency, backends::MemoryStore, idempotent};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<String, Error> {
///     Ok(format!("receipt for {order}"))
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// idempotent_core::install(engine)?;
/// assert_eq!(charge(7).await?, charge(7).await?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Idempotency(pub(in crate::engine) Handle);

/// How a handle refers to its engine.
#[derive(Clone)]
pub(in crate::engine) enum Handle {
    Counted(Arc<Engine>),
    /// Installed for the life of the process, and therefore not counted: otherwise all calls that
    /// name no engine would contend for one reference count.
    Installed(&'static Engine),
}

/// What all handles of one engine share.
pub(in crate::engine) struct Engine {
    pub(in crate::engine) store: Arc<dyn Store>,
    pub(in crate::engine) settings: Settings,
    pub(in crate::engine) authenticity: Authenticity,
    pub(in crate::engine) names: OperationNames,
    pub(in crate::engine) renewals: Renewals,
    /// Limits how many unused reservations are released at once.
    pub(in crate::engine) releases: Arc<Semaphore>,
    pub(in crate::engine) in_flight: InFlight,
    /// How many bodies run on without their callers.
    pub(in crate::engine) detached: AtomicUsize,
    /// `None` without limits.
    pub(in crate::engine) limiter: Option<Arc<Limiter>>,
    pub(in crate::engine) shares: Shares,
    pub(in crate::engine) observers: Observers,
    pub(in crate::engine) circuit: Circuit,
    /// Operations whose indeterminate records somebody has counted.
    pub(in crate::engine) counted_operations: Mutex<BTreeSet<String>>,
    #[cfg(feature = "consumer")]
    pub(in crate::engine) keys_in_hand: KeysInHand,
}

/// If more releases run at once, the store is down.
const CONCURRENT_RELEASES: usize = 1024;

impl Idempotency {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    #[cfg(feature = "consumer")]
    pub(crate) fn keys_in_hand(&self) -> &KeysInHand {
        &self.0.keys_in_hand
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A handle to this engine, which is never dropped.
    pub(crate) fn installed(&'static self) -> Self {
        Self(Handle::Installed(&self.0))
    }

    /// Whether this handle is not counted.
    #[cfg(all(test, feature = "moka"))]
    pub(crate) fn is_installed(&self) -> bool {
        matches!(self.0, Handle::Installed(_))
    }

    /// Links a span to one of another process, if the engine knows of distributed traces.
    #[cfg(feature = "consumer")]
    pub(crate) fn link(&self, span: &tracing::Span, parent: crate::model::TraceParent) {
        if let Some(traces) = &self.0.observers.traces {
            span.in_scope(|| traces.0.link(span, parent));
        }
    }

    /// A call of `operation` that begins now, if somebody wants to hear of it.
    pub(crate) fn observe(&self, operation: &'static str) -> Option<Box<ObservedCall>> {
        self.0.observers.observe(operation)
    }

    pub(in crate::engine) fn from_settings(
        store: Arc<dyn Store>,
        settings: Settings,
        authenticity: Authenticity,
        observers: Observers,
    ) -> Self {
        let renewals = Renewals::new(Arc::clone(&store), settings.store_timeout);
        let names = OperationNames::default();
        let releases = Arc::new(Semaphore::new(CONCURRENT_RELEASES));
        let in_flight = InFlight::default();
        let limits = settings.limits;
        let limiter = (!limits.is_none()).then(|| Arc::new(Limiter::new(limits)));
        let engine = Engine {
            store,
            settings,
            authenticity,
            names,
            renewals,
            releases,
            in_flight,
            detached: AtomicUsize::new(0),
            limiter,
            shares: Shares::default(),
            observers,
            circuit: Circuit::new(settings.circuit),
            counted_operations: Mutex::default(),
            #[cfg(feature = "consumer")]
            keys_in_hand: KeysInHand::default(),
        };
        Telemetry::build_info();
        Self(Handle::Counted(Arc::new(engine)))
    }
}

impl Deref for Handle {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        match self {
            Self::Counted(engine) => engine,
            Self::Installed(engine) => engine,
        }
    }
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
