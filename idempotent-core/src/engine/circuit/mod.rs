//! The circuit: while the store is down, new calls are refused at once instead of waiting in vain.
//!
//! [`breaker`] is its state, [`asking`] one call to the store, of which it learns the end
//! ([`probe`] if it was let through an open one), [`open`] what a call is told that may
//! not ask. [`settings`] are set by the options in [`builder`].

mod asking;
mod breaker;
mod builder;
mod open;
mod probe;
mod settings;
#[cfg(test)]
mod tests;

pub(super) use self::asking::Asking;
pub(super) use self::breaker::Circuit;
pub(super) use self::open::OpenCircuit;
pub(crate) use self::settings::CircuitSettings;
