//! What a reconciler remembers of the calls that it has asked about. It is kept in memory alone: a process that takes
//! over asks anew, and waits as long between two answers.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::subject::{Name, Subject};
use crate::engine::admin::Inspection;

/// What is known of all calls and steps.
#[derive(Debug, Default)]
pub(super) struct Known {
    calls: HashMap<Name, Call>,
    pass: u64,
}

/// What is known of one call or step.
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

    /// What is known of what was just seen, and for how long it has been in doubt.
    pub(super) fn see(&mut self, seen: &Inspection, subject: &Subject) -> (Call, Duration) {
        let now = Instant::now();
        let fresh = Call { first_seen: now, asked: 0, never_at: None, next: None, pass: self.pass };
        let in_doubt_for =
            seen.remaining().map(|remaining| seen.retention().saturating_sub(remaining));
        let name = subject.name(seen);
        let call = match (self.calls.get_mut(&name), in_doubt_for) {
            (Some(call), _) => {
                call.pass = self.pass;
                *call
            }
            // There is nothing to remember, since the store tells how old it is. A step is older than the run that has last
            // stopped at it.
            (None, Some(_)) if matches!(subject, Subject::Call) => fresh,
            (None, _) => *self.calls.entry(name).or_insert(fresh),
        };
        let known_for = call.first_seen.elapsed();
        let in_doubt_for = match subject {
            Subject::Call => in_doubt_for.unwrap_or(known_for),
            Subject::Step(..) => in_doubt_for.unwrap_or_default().max(known_for),
        };
        (call, in_doubt_for)
    }

    /// Remembers an answer.
    pub(super) fn remember(&mut self, name: Name, call: Call) {
        let call = Call { pass: self.pass, ..call };
        self.calls.insert(name, call);
    }

    /// Forgets what is settled.
    pub(super) fn forget(&mut self, name: &Name) {
        self.calls.remove(name);
    }
}
