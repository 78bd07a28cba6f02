//! Exactly once: calls within transactions of their callers, on the file that has the records.

mod attribute;
mod conflicts;
mod ended;
mod ends;
mod shop;
