//! The store that the command works on: how it is named (`address`), what it is opened with (`settings`, `secret`), and
//! what it is once it is open (`connected`). `locate` finds one record in it, `pages` goes through all,
//! and `names` are those of operations that it has. `reachability` says why it cannot be reached.
//! `plain` are the commands that the benchmark compares it with.

mod address;
mod connected;
mod locate;
mod names;
mod pages;
mod plain;
mod reachability;
mod secret;
mod settings;
mod siblings;

pub(crate) use self::address::Address;
pub(crate) use self::connected::{Backend, Connected};
pub(crate) use self::locate::{Located, WHICH, locate, require_named};
pub(crate) use self::names::{PROPOSED, no_such_operation};
pub(crate) use self::pages::{Pace, Pages};
pub(crate) use self::plain::Plain;
pub(crate) use self::settings::Settings;
