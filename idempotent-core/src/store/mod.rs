//! The contract between the engine and its store: the [`Store`] trait, the requests that it takes
//! and the answers that it gives.
//!
//! A store knows ids, tokens, deadlines and opaque [`Record`](crate::model::Record)s. It knows
//! nothing of results, keys or the engine. The contract suite of `idempotent_core::testing` checks
//! what its answers must guarantee under concurrency, repeated calls and lapsed leases.
//!
//! The trait is in `contract`, its parameters in `request`, and what it returns in `answer`,
//! `state` and `error`. What a store may offer in addition has its own files: answers without
//! waiting (`local`), the steps of calls (`journal`, with `journal_request` and `journal_answer`), which calls
//! are to be resumed (`due`), what it says about itself (`health`), calls in the caller's transaction (`transaction`,
//! `running_call`, `shared_records`), and reports
//! of purges (`observer`). `hash_prefix` is the beginning of an id, `recent_ids` tells whoever scans what came twice. `clock` is the time of embedded stores, `poll` the default way to wait, and
//! `backoff` the pause before a retry.
//!
//! The stores that come with this crate are in [`backends`](crate::backends).

mod answer;
pub(crate) mod backoff;
mod clock;
mod contract;
mod due;
mod error;
mod hash_prefix;
mod health;
mod journal;
mod journal_answer;
mod journal_request;
mod local;
mod observer;
pub(crate) mod poll;
mod recent_ids;
mod request;
mod running_call;
#[cfg(all(feature = "consumer", any(feature = "postgres", feature = "sqlite")))]
mod shared_records;
mod state;
mod transaction;

pub use self::answer::{
    CompleteOutcome, CorrectOutcome, Entry, Page, RenewOutcome, ReserveOutcome, ScopeUse,
    Unreadable,
};
pub use self::clock::{Clock, Sleep, TokioClock};
pub use self::contract::Store;
pub use self::due::{Due, DueCall, DueCalls};
pub use self::error::{StoreError, StoreErrorKind};
pub use self::hash_prefix::HashPrefix;
pub use self::health::{Degradation, StoreHealth};
pub use self::journal::Journal;
pub use self::journal_answer::{ResumeOutcome, WriteStepOutcome};
pub use self::journal_request::{Replaces, Resume, Suspend, WithoutJournal, WriteStep};
pub use self::local::LocalStore;
pub use self::observer::PurgeObserver;
pub use self::recent_ids::RecentIds;
pub(crate) use self::request::Written;
pub use self::request::{
    Abandon, Complete, Correct, Cursor, IfVacant, Release, Renew, Reserve, Scan, Wait,
};
pub use self::running_call::{RunningCall, RunningCallWatch};
#[cfg(all(feature = "consumer", any(feature = "postgres", feature = "sqlite")))]
pub(crate) use self::shared_records::SharedRecords;
pub use self::state::State;
pub use self::transaction::{
    Isolation, Transaction, TransactionContext, TransactionReserveOutcome,
};
