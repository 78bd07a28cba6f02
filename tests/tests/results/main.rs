//! Results whose encoding cannot be undone: what finds them, and what the guide says of every shape.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

mod attribute;
mod depth;
mod ends;
mod guide;
mod options;
mod shapes;
mod stack;
mod survives;
mod unification;
