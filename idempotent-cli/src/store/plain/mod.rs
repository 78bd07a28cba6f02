//! The commands that somebody would send by hand to run a call once and keep its result, over connections of their own.
//! Only the benchmark sends them, about records of its own. `commands` has them; `redis` and `sql` send them.

mod commands;
mod redis;
mod sql;

pub(crate) use self::commands::Plain;
pub(super) use self::commands::PlainSettings;
