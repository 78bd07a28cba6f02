//! One idempotent call with steps, and everything that can go wrong around it.
//!
//! # What is modelled
//!
//! A call with one key, whose body is `join(a, m)` and then `z`:
//!
//! * `a` and `z` are at least once: one write, after the body.
//! * `m` is at most once: it is recorded as *begun*, with a nonce of its attempt, before its body, and
//!   with its result after it. A body that failed without an effect takes *begun* back.
//! * The call's own body may swallow the error of a step or end in it, and ask for a failed step again.
//!
//! A [`Run`] is one attempt to run the body: of the first call, of a client's retry, of another client
//! with another payload under the same key, or of recovery. Runs are concurrent. What a run sends
//! stays on its way until the store does it, at any later time or never, whether the run still waits
//! or has long ended; a request may also arrive twice. The store does each request in one atomic step,
//! against its [`Record`] and its [`Journal`]:
//!
//! ```text
//!             reserve                    complete
//!   vacant ─────────────▶ reserved ──────────────────▶ completed ──▶ vacant
//!      ▲      resume ▲       │ lapse, release, suspend
//!      │             │       ▼
//!      │             └─── suspended (`Lapsed`) ──park, begun──▶ indeterminate
//!      │                     │      ▲                              │
//!      └─────── retention ───┘      └───────── an operator ────────┘
//! ```
//!
//! There are two clocks. A run's own says that its lease is over at any moment; the store's says so
//! later, since the owner counts from the sending of its request. A process dies anywhere, a step's
//! future is dropped, the store evicts a journal. An operator says what became of a step in doubt, or
//! that a parked call may run again; always truly, though one of them may answer late.
//!
//! # What must hold
//!
//! A [`Property`] each, looked at in every state, and one more over the whole graph:
//!
//! * the at-most-once step takes effect at most once;
//! * a call that answered `Ok` has all its steps recorded, each had its effect for this call (and the
//!   effects of `a` and `z` share one derived key, so they are one for a provider);
//! * a recorded step never runs again;
//! * nothing of an old call is loaded by a new one;
//! * a late owner never writes over a recorded step, begins none, and starts no body once another run has the call;
//! * a result is made of one payload's steps;
//! * recovery does not go on with a call whose caller was told its own error;
//! * from every state the call comes, without another fault, to an end or to somebody who finds it.
//!
//! Each [`Rule`] of the design can be left out, and then the search finds the shortest way to break
//! one of these.
//!
//! # Where to read on
//!
//! `owner` is what a run does by itself, `store` and `writes` what the store does with a request,
//! `surroundings` the clocks, the network and faults, `operator` what people do. [`Protocol`] puts them together.
//!
//! # What is left out
//!
//! * A body's effect and the sending of its record are one action: a crash between them is the same as
//!   a request that never arrives. An effect that comes long after its body started is what an
//!   operator waits for, by assumption.
//! * An answer on its way is the same as an owner that has not gone on, and a lost one the same as an
//!   owner that gave up before the store did its request.
//! * A waiter is the same as a client that comes later.
//! * Renamed steps, and bodies with branches: they are in [`gate`](crate::gate).

mod action;
mod answer;
mod config;
mod journal;
mod machine;
mod operator;
mod owner;
mod packed;
mod property;
mod record;
mod request;
mod rule;
mod run;
mod state;
mod store;
mod surroundings;
mod writes;

pub use self::action::{Action, Step};
pub use self::answer::Answer;
pub use self::config::Config;
pub use self::journal::{Journal, Nonce, Once};
pub use self::machine::Protocol;
pub use self::packed::Packed;
pub use self::property::Property;
pub use self::record::{Phase, Record};
pub use self::request::{Request, Requests};
pub use self::rule::{Rule, Rules};
pub use self::run::{Kind, Progress, RUNS, Run, Stage};
pub use self::state::{Effects, Seen, State};
