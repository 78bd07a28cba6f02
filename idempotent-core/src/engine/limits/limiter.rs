//! [`Limiter`]: counts the calls that run and wait, and refuses those that are too many.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::call_limits::CallLimits;
use super::counts::Counts;
use crate::error::{Error, ErrorKind};
use crate::model::{RecordId, ScopeId};

/// When to retry: calls end at any moment.
const SOON: Duration = Duration::from_secs(1);

/// Counts the calls that are limited together: those of an engine, or those of one layer.
pub(crate) struct Limiter {
    limits: CallLimits,
    running: AtomicUsize,
    waiting: AtomicUsize,
    detached: AtomicUsize,
    running_by_scope: Counts<ScopeId>,
    waiting_by_scope: Counts<ScopeId>,
    waiting_by_key: Counts<[u8; 32]>,
}

/// The counters that a seat of a running call is counted in.
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub(super) scope: Option<ScopeId>,
    pub(super) detaches: bool,
}

/// The counters that a waiter's seat is counted in.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) scope: Option<ScopeId>,
    pub(super) key: [u8; 32],
}

impl Limiter {
    pub(crate) fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            detached: AtomicUsize::new(0),
            running_by_scope: Counts::default(),
            waiting_by_scope: Counts::default(),
            waiting_by_key: Counts::default(),
        }
    }

    pub(crate) const fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// Counts a call that may run its body, or says why it may not.
    pub(super) fn start_running(&self, id: &RecordId, detaches: bool) -> Result<Running, Error> {
        let refuse = |kind, why: &'static str| Err(refusal(kind, id, why));
        let scope = id.scope().copied();
        if !enter(&self.running, self.limits.running) {
            return refuse(ErrorKind::Overloaded, "the limit is `max_running`");
        }
        if detaches && !enter(&self.detached, self.limits.detached) {
            leave(&self.running, self.limits.running);
            return refuse(ErrorKind::Overloaded, "the limit is `max_detached`");
        }
        if !enter_by(&self.running_by_scope, scope, self.limits.running_per_scope) {
            leave(&self.running, self.limits.running);
            if detaches {
                leave(&self.detached, self.limits.detached);
            }
            return refuse(ErrorKind::TooManyCalls, "the limit is `max_running_per_scope`");
        }
        Ok(Running { scope, detaches })
    }

    pub(super) fn stop_running(&self, Running { scope, detaches }: Running) {
        leave(&self.running, self.limits.running);
        if detaches {
            leave(&self.detached, self.limits.detached);
        }
        leave_by(&self.running_by_scope, scope, self.limits.running_per_scope);
    }

    /// Counts a call that waits for the owner of its key, or says why it may not wait.
    pub(super) fn start_waiting(&self, id: &RecordId) -> Result<Waiting, Error> {
        let refuse = |kind, why: &'static str| Err(refusal(kind, id, why));
        let (scope, key) = (id.scope().copied(), *id.hash());
        if !enter(&self.waiting, self.limits.waiting) {
            return refuse(ErrorKind::Overloaded, "the limit is `max_waiting`");
        }
        if !enter_by(&self.waiting_by_key, Some(key), self.limits.waiting_per_key) {
            leave(&self.waiting, self.limits.waiting);
            return refuse(ErrorKind::TooManyCalls, "the limit is `max_waiting_per_key`");
        }
        if !enter_by(&self.waiting_by_scope, scope, self.limits.waiting_per_scope) {
            leave(&self.waiting, self.limits.waiting);
            leave_by(&self.waiting_by_key, Some(key), self.limits.waiting_per_key);
            return refuse(ErrorKind::TooManyCalls, "the limit is `max_waiting_per_scope`");
        }
        Ok(Waiting { scope, key })
    }

    pub(super) fn stop_waiting(&self, Waiting { scope, key }: Waiting) {
        leave(&self.waiting, self.limits.waiting);
        leave_by(&self.waiting_by_key, Some(key), self.limits.waiting_per_key);
        leave_by(&self.waiting_by_scope, scope, self.limits.waiting_per_scope);
    }
}

fn refusal(kind: ErrorKind, id: &RecordId, why: &'static str) -> Error {
    Error::of(kind, id).detail(why).retry_in(Some(SOON))
}

/// Counts one more, unless that exceeds the limit. What has no limit is not counted.
fn enter(count: &AtomicUsize, limit: Option<usize>) -> bool {
    let Some(limit) = limit else { return true };
    let more = |count| (count < limit).then_some(count + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

fn leave(count: &AtomicUsize, limit: Option<usize>) {
    if limit.is_some() {
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn enter_by<K: Hash + Eq + Copy>(counts: &Counts<K>, key: Option<K>, limit: Option<usize>) -> bool {
    let (Some(key), Some(limit)) = (key, limit) else { return true };
    counts.enter(key, limit)
}

fn leave_by<K: Hash + Eq + Copy>(counts: &Counts<K>, key: Option<K>, limit: Option<usize>) {
    if let (Some(key), Some(_)) = (key, limit) {
        counts.leave(key);
    }
}
