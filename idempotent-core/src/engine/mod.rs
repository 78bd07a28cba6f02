//! The engine: everything between a call and its store.
//!
//! A call passes through three folders. `acquire` decides whether it runs its body, replays a
//! result or is refused; `lease` keeps its reservation alive and tells the body which call it
//! belongs to; `settle` records its end. `steps` does the same for the steps of a call, and `journal` is what a run knows of them. `recovery` resumes calls that were interrupted, by a `claim`
//! that the call takes in the place of a reservation. `circuit` refuses calls at once while the store is down. `admin` is for
//! operators, and `reconcile` for a job that asks other systems what became of calls. `limits` bounds how many calls run and
//! wait, and what a scope keeps in the store.
//!
//! The files beside them are shared: the engine itself (`idempotency`, `builder`, `settings`, `secrets`), whether
//! a stored record is authentic (`authenticity`, `authenticate`), the
//! engine of a task (`task_engine`) and of a lease (`engine_ref`), what else is taken for an engine (`as_engine`), why an engine cannot be
//! installed (`install_error`), the
//! deadlines of store calls (`deadline`), futures that survive a dropped caller (`background`),
//! what depends on tokio's scheduler (`runtime`), what is still running (`in_flight`, `drain`), whose
//! messages are in hand (`keys_in_hand`), whether the
//! engine can serve calls (`health`), who hears of
//! ends (`outcome_observer`, `outcome_listener`) and of distributed traces (`trace_context`), and spans, log lines and metrics (`telemetry`).

mod acquire;
mod admin;
mod as_engine;
mod authenticate;
mod authenticity;
mod background;
mod builder;
mod circuit;
mod claim;
mod deadline;
mod drain;
mod engine_ref;
mod health;
mod idempotency;
mod in_flight;
mod install_error;
mod journal;
#[cfg(feature = "consumer")]
mod keys_in_hand;
mod lease;
mod limits;
mod outcome_listener;
mod outcome_observer;
mod reconcile;
mod recovery;
mod runtime;
mod secrets;
mod settings;
mod settle;
mod steps;
mod task_engine;
mod telemetry;
mod trace_context;

pub(crate) use self::acquire::{
    Acquired, Acquisition, CompletedRecord, Request, UnrecordedRun, acquire_in_transaction,
};
pub use self::admin::{Inspection, InspectionPage, RecordedResult, Resolution};
pub use self::as_engine::AsEngine;
pub(crate) use self::background::FinishInBackground;
pub use self::builder::IdempotencyBuilder;
pub use self::health::Health;
pub use self::idempotency::Idempotency;
#[cfg(feature = "http")]
pub(crate) use self::in_flight::InFlight;
pub use self::install_error::InstallError;
#[cfg(feature = "consumer")]
pub(crate) use self::keys_in_hand::{KeyInHand, KeysInHand};
pub use self::lease::{CurrentCall, current};
pub(crate) use self::lease::{CurrentCallGuard, InCurrentCall};
pub use self::limits::ScopeShare;
#[cfg(any(feature = "consumer", feature = "http"))]
pub(crate) use self::limits::{CallLimits, Limiter};
pub use self::outcome_listener::{OutcomeOf, outcome_of};
pub use self::outcome_observer::CallEnd;
pub(crate) use self::outcome_observer::ObservedCall;
pub use self::reconcile::{Doubtful, DoubtfulStep, Finding, Reconciler, Reconciliation};
pub use self::recovery::{Recovery, RunningRecovery};
#[cfg(feature = "consumer")]
pub(crate) use self::settle::AwaitedEnd;
pub(crate) use self::settle::{
    HeldReservation, ReservationRef, Settlement, SuspendEnd, TransactionReservation, UnknownEnd,
};
pub(crate) use self::steps::{
    AcquiredStep, AcquiringStep, HeldStep, RecordedStep, StepEnd, StepRecording, StepRequest,
    acquire_step,
};
pub(crate) use self::task_engine::task_engine;
pub use self::task_engine::with_engine;
pub(crate) use self::telemetry::{CallReport, CallSpan, KeyEnd, Telemetry};
pub use self::trace_context::TraceContext;
