//! What a reconciler remembers of the calls that it has asked about. It is kept in memory alone: a process that takes
//! over asks anew, and waits as long between two answers.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::admin::Inspection;
use crate::model::Token;

/// What is known of all calls.
#[derive(Debug, Default)]
pub(super) struct Known {
    calls: HashMap<([u8; 32], Token), Call>,
    pass: u64,
}

/// What is known of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    first_seen: Instant,
    pub(super) asked: u32,
    /// When the other system first said that it knows nothing.
    pub(super) never_at: Option<Instant>,
    /// When to ask again.
    pub(super) next: Option<Instant>,
    /// The pass that last saw it.
    pass: u64,
}

impl Known {
    /// A pass over all calls begins.
    pub(super) fn begin_pass(&mut self) {
        self.pass += 1;
    }

    /// Forgets the calls that this pass has not seen: they are settled.
    pub(super) fn end_pass(&mut self) {
        let pass = self.pass;
        self.calls.retain(|_, call| call.pass == pass);
    }

    /// What is known of a call that was just seen, and for how long it has been in doubt.
    pub(super) fn see(&mut self, seen: &Inspection) -> (Call, Duration) {
        let now = Instant::now();
        let fresh = Call { first_seen: now, asked: 0, never_at: None, next: None, pass: self.pass };
        let in_doubt_for =
            seen.remaining().map(|remaining| seen.retention().saturating_sub(remaining));
        let call = match (self.calls.get_mut(&key(seen)), in_doubt_for) {
            (Some(call), _) => {
                call.pass = self.pass;
                *call
            }
            // There is nothing to remember, since the store tells how old it is.
            (None, Some(_)) => fresh,
            (None, None) => *self.calls.entry(key(seen)).or_insert(fresh),
        };
        (call, in_doubt_for.unwrap_or_else(|| call.first_seen.elapsed()))
    }

    /// Remembers an answer.
    pub(super) fn remember(&mut self, seen: &Inspection, call: Call) {
        let call = Call { pass: self.pass, ..call };
        self.calls.insert(key(seen), call);
    }

    /// Forgets a call that is settled.
    pub(super) fn forget(&mut self, seen: &Inspection) {
        self.calls.remove(&key(seen));
    }
}

/// The same key may come in doubt again, under another token.
fn key(seen: &Inspection) -> ([u8; 32], Token) {
    (*seen.id().hash(), seen.token())
}
