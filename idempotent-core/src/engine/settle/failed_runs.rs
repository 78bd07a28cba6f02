//! Runs of this process that ended a moment ago without a known outcome.
//!
//! Under *at least once* the store forgets such a run at once, so that a retry can run the body.
//! Those who waited for the run must not all do that, one after the other: this tells them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Token;

/// How many runs are remembered. Waiters ask within moments.
const REMEMBERED: usize = 1024;

/// The runs of all engines of this process: a token belongs to one run, whoever waits for it.
static FAILED_RUNS: Mutex<VecDeque<FailedRun>> = Mutex::new(VecDeque::new());

/// A run that ended without a known outcome.
#[derive(Clone, Copy)]
pub(in crate::engine) struct FailedRun {
    token: Token,
    /// When to try again, if its owner said so.
    pub(in crate::engine) retry_after: Option<Duration>,
}

/// Remembers that a run has ended without a known outcome. To be called before its key is released.
pub(super) fn remember(token: Token, retry_after: Option<Duration>) {
    let mut runs = lock();
    if runs.len() == REMEMBERED {
        runs.pop_front();
    }
    runs.push_back(FailedRun { token, retry_after });
}

/// Finds the run with this token, if it ended a moment ago without a known outcome.
pub(in crate::engine) fn find_failed_run(token: Token) -> Option<FailedRun> {
    lock().iter().rev().find(|run| run.token == token).copied()
}

fn lock() -> MutexGuard<'static, VecDeque<FailedRun>> {
    FAILED_RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}
