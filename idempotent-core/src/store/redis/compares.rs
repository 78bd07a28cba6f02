//! Which plain commands compare before they act. What the servers do not know is done by script.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::RedisError;

use super::error::is_unknown;

/// A plain command that compares the whole value before it acts.
#[derive(Clone, Copy)]
pub(super) enum Comparing {
    /// `SET … IFEQ`.
    Set,
    /// `DELIFEQ`.
    Delete,
}

/// Those that all the servers of a store know.
pub(super) struct Compares {
    set: AtomicBool,
    delete: AtomicBool,
}

impl Compares {
    pub(super) const fn new(set: bool, delete: bool) -> Self {
        Self { set: AtomicBool::new(set), delete: AtomicBool::new(delete) }
    }

    pub(super) fn by(&self, command: Comparing) -> bool {
        self.of(command).load(Ordering::Relaxed)
    }

    /// Whether a command failed because the server does not know it, as after a failover to an older
    /// one. From then on it is not tried again.
    pub(super) fn gives_up(&self, command: Comparing, error: &RedisError) -> bool {
        let unknown = is_unknown(error);
        if unknown {
            self.of(command).store(false, Ordering::Relaxed);
        }
        unknown
    }

    fn of(&self, command: Comparing) -> &AtomicBool {
        match command {
            Comparing::Set => &self.set,
            Comparing::Delete => &self.delete,
        }
    }
}

impl fmt::Debug for Compares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compares")
            .field("set", &self.by(Comparing::Set))
            .field("delete", &self.by(Comparing::Delete))
            .finish()
    }
}
