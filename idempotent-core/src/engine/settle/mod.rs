//! How a call ends: what happens to its key (`settlement`), what a running call holds (`held`), and
//! how its end is recorded (`record`). `abandon` releases a reservation that no call will use.
//! `in_transaction` does all of this in the caller's transaction.

mod abandon;
mod held;
mod in_transaction;
mod record;
mod settlement;

pub(super) use self::abandon::{Unused, abandon};
pub(crate) use self::held::HeldReservation;
pub(crate) use self::in_transaction::TransactionReservation;
pub(super) use self::in_transaction::transaction_error;
pub(crate) use self::settlement::{ReservationRef, Settlement};
