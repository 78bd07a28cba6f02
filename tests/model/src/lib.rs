//! Calls that resume, as a model: what holds under faults, and which rule each guarantee needs.
//!
//! * [`search`] goes through every state of a model, breadth first.
//! * [`protocol`] is such a model: one call with steps, its record and journal, and several runs.
//! * [`gate`] runs random programs with steps, to see which renamed steps a resumed run notices.
//! * [`recovery`] is another: who takes a call that is due, how often, and when nobody does any more.
//! * [`paths`] picks ways through the protocol by which real stores are driven.
//!
//! The search is our own, and not `stateright`: that keeps no edges to ask whether a good end can
//! still be reached (its *eventually* forgets what joined paths had seen), stores its states whole, and
//! brings a web server along.
//!
//! ```text
//! cargo test -p idempotent-model                          what CI runs, less than a minute
//! cargo test -p idempotent-model rules -- --nocapture     the shortest way to break each rule
//! cargo test --release -p idempotent-model -- --ignored --nocapture --test-threads 1
//!                                                         the full size: minutes, and two gigabytes
//! ```

pub mod gate;
pub mod paths;
pub mod protocol;
pub mod recovery;
pub mod search;
