//! Recovery: who takes a call that is due, how often, and when nobody does any more.
//!
//! # What is modelled
//!
//! A call with an input and [`STEPS`] steps. Its first owner may die, be declined by its own body, or come back as a client
//! that retries. Two workers run a recovery: each looks for a call that is due, claims it by a compare-and-set, and runs its
//! body, or parks it after [`MAX_ATTEMPTS`] claims without a new step. A claim may be answered late or never, and may be
//! done when its sender has long given up.
//!
//! ```text
//!                 claim
//!   suspended ─────────────▶ reserved ──────▶ completed
//!    ▲  ▲ │                   │ │ │
//!    │  │ └───── a pause ◀────┘ │ └─ park ──▶ parked
//!    │  └──── error of its own ─┘               │
//!    └────────────── an operator ───────────────┘
//! ```
//!
//! A worker that dies comes back as another process. What the steps write, and what becomes of one *at most once*, is in
//! [`protocol`](crate::protocol); here a step is a number.
//!
//! # What must hold
//!
//! A [`Property`] each: nobody claims a call from a run that lives, or parks it under such a run; a call that kills every
//! process is run [`MAX_ATTEMPTS`] times and no more; one that goes on, however slowly, or whose runs end because its store fails,
//! is never parked, but for claims that the store did when their senders had given up: those look like attempts whose process
//! died; one that was parked waits for an operator, and one that was declined for its caller. And from every state the call
//! comes to one of these ends by itself. Each [`Rule`] can be left out, and then one of these breaks.

mod action;
mod machine;
mod packed;
mod property;
mod rule;
mod state;
mod worker;

pub use self::action::Action;
pub use self::machine::{Body, Config, Recovery};
pub use self::packed::Packed;
pub use self::property::Property;
pub use self::rule::Rule;
pub use self::state::{Due, MAX_ATTEMPTS, Phase, Record, STEPS, Stage, State, WORKERS, Worker};
