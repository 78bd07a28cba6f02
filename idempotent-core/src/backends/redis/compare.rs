//! Which plain commands compare before they act. Where a server does not know them, scripts do it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::RedisError;

use super::error::is_unknown_command;

/// A plain command that compares the whole value before it acts.
#[derive(Clone, Copy)]
pub(super) enum CompareCommand {
    /// `SET … IFEQ`.
    Set,
    /// `DELIFEQ`.
    Delete,
}

/// Which of them all servers of a store know.
pub(super) struct CompareSupport {
    set: AtomicBool,
    delete: AtomicBool,
}

impl CompareSupport {
    pub(super) const fn new(set: bool, delete: bool) -> Self {
        Self { set: AtomicBool::new(set), delete: AtomicBool::new(delete) }
    }

    /// Takes over what a check of the servers found.
    pub(super) fn set(&self, found: &Self) {
        for command in [CompareCommand::Set, CompareCommand::Delete] {
            self.flag(command).store(found.has(command), Ordering::Relaxed);
        }
    }

    pub(super) fn has(&self, command: CompareCommand) -> bool {
        self.flag(command).load(Ordering::Relaxed)
    }

    /// Whether a command failed because the server does not know it, as after a failover to an older
    /// server. Then it is not tried again.
    pub(super) fn disable_if_unknown(&self, command: CompareCommand, error: &RedisError) -> bool {
        let is_unknown = is_unknown_command(error);
        if is_unknown {
            self.flag(command).store(false, Ordering::Relaxed);
        }
        is_unknown
    }

    fn flag(&self, command: CompareCommand) -> &AtomicBool {
        match command {
            CompareCommand::Set => &self.set,
            CompareCommand::Delete => &self.delete,
        }
    }
}

impl fmt::Debug for CompareSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompareSupport")
            .field("set", &self.has(CompareCommand::Set))
            .field("delete", &self.has(CompareCommand::Delete))
            .finish()
    }
}
