//! How a call ends: what happens to its key (`settlement`), what a running call holds (`held`), and
//! how its end is recorded (`record`, `awaited_end` for who waits to hear of it, and `suspend` for a call that is resumed). `dropped` settles a body that was dropped while it ran, and
//! `failed_runs` tells waiters of runs without a known outcome. `discard` releases a reservation
//! that no call will use. `in_transaction` does all of this in the caller's transaction.

#[cfg(feature = "consumer")]
mod awaited_end;
mod discard;
mod dropped;
mod failed_runs;
mod held;
mod in_transaction;
mod record;
mod resumption;
mod settlement;
mod suspend;

#[cfg(feature = "consumer")]
pub(crate) use self::awaited_end::AwaitedEnd;
pub(super) use self::discard::{Unused, discard};
pub(super) use self::failed_runs::find_failed_run;
pub(crate) use self::held::HeldReservation;
pub(crate) use self::in_transaction::TransactionReservation;
pub(super) use self::in_transaction::transaction_error;
pub(super) use self::resumption::Resumption;
pub(crate) use self::settlement::{ReservationRef, Settlement, SuspendEnd, UnknownEnd};
