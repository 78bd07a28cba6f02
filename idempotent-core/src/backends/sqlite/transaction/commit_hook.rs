//! Refusing commits while a call runs.
//!
//! `SQLite` rolls a transaction back by itself when the disk is full, when reading or writing fails and when
//! memory runs out. Every later statement on the connection is then committed on its own. A body that goes on
//! after such an error would leave effects without a record, so a commit hook turns those commits into
//! rollbacks until the call has ended. A commit that the hook is asked about while a call runs is always such
//! a one: the foreign key of the unfinished reservation refuses every other before that.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use sqlx::{Error, SqliteConnection};

use crate::store::{RunningCall, RunningCallWatch};

/// The hooks by the addresses of their connections. A connection owns its hook, so a hook that is gone is of
/// a connection that was closed, or whose hook the application has replaced.
static HOOKS: LazyLock<Mutex<HashMap<usize, Weak<CommitHook>>>> = LazyLock::new(Mutex::default);

/// The hook of one connection.
#[derive(Default)]
struct CommitHook {
    /// The calls that run in the connection's transaction: more than one if they are nested.
    calls: Mutex<Vec<RunningCallWatch>>,
}

impl CommitHook {
    fn add(&self, call: RunningCallWatch) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|call| !call.has_ended());
        calls.push(call);
    }

    fn allows_commit(&self) -> bool {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().all(RunningCallWatch::has_ended)
    }
}

/// Refuses every commit on the connection until the call has ended.
pub(super) async fn refuse_commits(
    connection: &mut SqliteConnection,
    call: &RunningCall,
) -> Result<(), Error> {
    let mut handle = connection.lock_handle().await?;
    let address = handle.as_raw_handle().as_ptr() as usize;
    let hook = match known_hook(address) {
        Some(hook) => hook,
        None => {
            let hook = new_hook(address);
            let own = Arc::clone(&hook);
            handle.set_commit_hook(move || own.allows_commit());
            hook
        }
    };
    hook.add(call.watch());
    Ok(())
}

fn known_hook(address: usize) -> Option<Arc<CommitHook>> {
    let hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    hooks.get(&address).and_then(Weak::upgrade)
}

fn new_hook(address: usize) -> Arc<CommitHook> {
    let hook = Arc::new(CommitHook::default());
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    // Connections are opened rarely: time to forget those that were closed.
    hooks.retain(|_, hook| hook.strong_count() > 0);
    hooks.insert(address, Arc::downgrade(&hook));
    hook
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_refused_while_any_of_the_nested_calls_runs() {
        let (hook, outer, inner) =
            (CommitHook::default(), RunningCall::default(), RunningCall::default());
        assert!(hook.allows_commit());
        hook.add(outer.watch());
        hook.add(inner.watch());
        drop(inner);
        assert!(!hook.allows_commit());
        drop(outer);
        assert!(hook.allows_commit());
    }
}
