//! Scanning: a [`page`] of records, from the [`position`] that a cursor names.

mod page;
mod position;

pub(super) use self::page::scan;
