//! Changes of many calls in one statement and one commit.
//!
//! A commit takes as long as the server's disk does, however much it commits. So while changes are under way, those
//! that arrive wait here, and leave together: as one call of one function of the schema, which makes each change
//! that it can make without waiting for a transaction of a caller. The others, and those that are alone, take the
//! statements of one step.
//!
//! [`steps`] decides which way a change takes. [`queue`] is where the [members](member) of a group wait, and its
//! workers; [`pending`] says which are the next. A [`look`] is the first group of a reserve, and [`looking`] sends it:
//! whoever finds a result never waits for a commit. A [`change`] is what writes: to a record, as [`record_change`] says, or
//! to the journal of a call, as [`step_change`] does. [`statement`] sends many of them, of both kinds, and [`failure`] says
//! what becomes of a group that failed. A [`correction`] replaces a completed record and never waits with the others, and
//! [`correcting`] sends it. [`lanes`] is what a store has of all this.

mod change;
mod correcting;
mod correction;
mod failure;
mod lanes;
mod look;
mod looking;
mod member;
mod pending;
mod query;
mod queue;
mod record_change;
mod statement;
mod step_change;
mod steps;

pub(super) use self::lanes::{GroupOptions, Lanes};
pub(super) use self::steps::{abandon, complete, correct, release, renew, reserve, write_step};
