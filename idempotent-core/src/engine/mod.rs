//! The engine: what stands between an operation and a store.
//!
//! One behaviour a file: which engine a call uses (`current`), what a call is before the store is
//! asked (`prepare`), who wins (`attempt`, with the order of checks in `check`), what a duplicate of
//! a running call does (`turn`), all of that as one future (`beginning`); what the winner holds
//! (`held`) and keeps alive (`heartbeat`), what its body can learn of it (`running`), how an end is recorded (`settle`), what outlives a
//! dropped caller (`elsewhere`), what all of that is within a transaction of the caller's (`within`),
//! and the operator's side (`operate`, `resolve`).

mod attempt;
mod beginning;
mod builder;
mod check;
mod current;
mod deadline;
mod elsewhere;
mod heartbeat;
mod held;
mod names;
mod operate;
mod prepare;
mod resolve;
mod running;
mod settle;
mod telemetry;
mod turn;
mod within;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

pub use self::builder::Builder;
pub use self::current::{AlreadyInUse, install, with};
pub use self::operate::{Inspection, InspectionPage};
pub use self::resolve::Resolution;
pub use self::running::{Current, current};

pub(crate) use self::attempt::Attempt;
pub(crate) use self::beginning::Beginning;
#[cfg(feature = "http")]
pub(crate) use self::current::Scope;
pub(crate) use self::current::scope;
pub(crate) use self::elsewhere::Elsewhere;
pub(crate) use self::held::Held;
pub(crate) use self::prepare::Request;
pub(crate) use self::running::{Entered, Scoped};
pub(crate) use self::settle::{Ending, Settlement};
pub(crate) use self::telemetry::{CallSpan, Telemetry};
pub(crate) use self::within::{Admission, Within, admit};

use self::heartbeat::Heartbeats;
use self::names::Names;
use crate::record::Secret;
use crate::store::Store;

/// An engine: a store, defaults and limits. Cheap to clone; clones are one engine.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::{Error, Idempotency, idempotent, store::MemoryStore};
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
pub struct Idempotency(Handle);

/// How an engine is held.
#[derive(Clone)]
enum Handle {
    Counted(Arc<Engine>),
    /// By the process, to its end. Calls that name no engine would else count its handles, and all
    /// threads in one place.
    Installed(&'static Engine),
}

struct Engine {
    store: Arc<dyn Store>,
    settings: Settings,
    names: Names,
    heartbeats: Heartbeats,
}

/// What a [`Builder`] sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) max_run: Duration,
    pub(crate) retention: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) max_key_bytes: usize,
    pub(crate) max_result_bytes: usize,
    pub(crate) secret: Option<Secret>,
    pub(crate) redact_keys: bool,
    pub(crate) strict_names: bool,
    pub(crate) fail_open: bool,
}

impl Idempotency {
    /// An engine on a store, with the defaults of [`Builder`].
    pub fn new(store: impl Store) -> Self {
        Self::builder(store).build()
    }

    /// A builder of an engine on a store.
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(Arc::new(store))
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A handle to an engine that is never dropped.
    fn installed(&'static self) -> Self {
        Self(Handle::Installed(&self.0))
    }

    fn from_settings(store: Arc<dyn Store>, settings: Settings) -> Self {
        let heartbeats = Heartbeats::new(Arc::clone(&store), settings.store_timeout);
        let engine = Engine { store, settings, names: Names::default(), heartbeats };
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
