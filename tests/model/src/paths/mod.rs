//! Ways through the protocol, in a form by which real stores are driven.
//!
//! A [`StorePath`] is what the store sees of a trace: its requests in their order, the moments at which a
//! lease lapses, and after each of them what the record and the journal must be. [`cover`] picks as few
//! as it can, long ones first, that together take every [`Request`](crate::protocol::Request) of every
//! run in every state of record and journal in which it can arrive: early, late, twice, by an owner and
//! by one that was overtaken.
//!
//! To drive a store, make a token for each run and a record for its reservation, and do each
//! [`Move`] in order:
//!
//! | operation | of the store |
//! |---|---|
//! | `Reserve` | `reserve` with a lease that the test can let lapse |
//! | `Resume` | `resume` of the record with the token of run `seen` |
//! | `RecordA`, `RecordZ` | `write_step` over whatever stands there |
//! | `Begin` | `write_step` that begins, over nothing, or over what was taken back |
//! | `Settle` | `write_step` over exactly the entry that `Begin` of the same attempt wrote |
//! | `TakeBack` | the same with an entry that says *tried* |
//! | `Load` | `load_steps` |
//! | `Look` | `due`, and to keep the record that it found: the run resumes that one |
//! | `Complete` | `complete` |
//! | `Release`, `Suspend` | `suspend`; in doubt if `record` is indeterminate after it; due after `Suspend`, if there is an input |
//! | `Lapse` | the store's clock passes the lease |
//!
//! and compare `answer`, then what `load` and `load_steps` say with `record` and `journal`. A run that has
//! loaded the journal begins over what it has seen there; its second attempt, over what its first took
//! back. A reservation without a journal and without an input counts as vacant once it has lapsed. With an input, the index
//! knows the call while its record says so.
//!
//! A late owner that writes its first step changes its record and keeps its token, and the model does not tell the two apart:
//! there `Resume` is of the record as it is by then.

mod cover;
mod path;

pub use self::cover::{cover, paths_of};
pub use self::path::{Move, Operation, StorePath};
