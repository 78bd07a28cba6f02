//! Scanning: a [`page`] of records, from the [`position`] that a cursor names; `loading` reads the records of its keys, `in_doubt` has the server look
//! into their journals, and `ahead` sends what is
//! asked for next.

mod ahead;
mod in_doubt;
mod loading;
mod page;
mod position;

pub(super) use self::page::scan;
