//! [`Commands`]: a store's servers and connections, for what else is kept there.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value};

use super::connection::Retry;
use super::script::is_unknown_script;
use super::shared::Shared;
use super::store::RedisStore;
use crate::store::StoreError;

/// The servers of a store. What is sent there has the store's limits, and ends when the store is closed.
#[derive(Clone)]
pub(crate) struct Commands(Arc<Shared>);

/// A script on keys of one slot.
pub(crate) struct KeyScript {
    code: &'static str,
    digest: String,
}

impl KeyScript {
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }
}

impl RedisStore {
    /// Its servers.
    pub(crate) fn commands(&self) -> Commands {
        Commands(Arc::clone(&self.0))
    }
}

impl Commands {
    /// Returns once the store has connected.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.0.ready().await
    }

    /// Whether it can open connections of their own, which a store on an existing connection cannot.
    pub(crate) fn can_connect(&self) -> bool {
        self.0.client.can_connect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.check_open().is_err()
    }

    /// The longest that a command may take.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.0.client.limits().response_timeout
    }

    /// Whether one script may use all these keys.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_self, unused_variables))]
    pub(crate) fn share_a_slot(&self, keys: &[&str]) -> bool {
        #[cfg(feature = "redis-cluster")]
        if self.0.client.has_slots() {
            let mut slots = keys.iter().map(|key| super::connection::slot_of(key));
            let first = slots.next();
            return slots.all(|slot| Some(slot) == first);
        }
        true
    }

    /// Sends a command to the primary of a key, and once more if the connection is lost.
    pub(crate) async fn repeatable(&self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.0.client.send(key, command, Retry::Once).await
    }

    /// Sends a command to the primary of a key, once.
    pub(crate) async fn once(&self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.0.client.send(key, command, Retry::Never).await
    }

    /// Runs a script that may be repeated, on the primary of its first key.
    pub(crate) async fn run(
        &self,
        script: &KeyScript,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        self.call(script, keys, arguments, Retry::Once).await
    }

    /// The same for a script whose second answer would not tell what the first one did.
    pub(crate) async fn run_once(
        &self,
        script: &KeyScript,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        self.call(script, keys, arguments, Retry::Never).await
    }

    async fn call(
        &self,
        script: &KeyScript,
        keys: &[&str],
        arguments: &[&[u8]],
        retry: Retry,
    ) -> RedisResult<Value> {
        let (client, key) = (&self.0.client, keys.first().copied().unwrap_or_default());
        let by_digest = call("EVALSHA", &script.digest, keys, arguments);
        match client.send(key, &by_digest, retry).await {
            Err(error) if is_unknown_script(&error) => {
                client.send(key, &call("EVAL", script.code, keys, arguments), retry).await
            }
            answer => answer,
        }
    }

    /// Opens a connection to the primary that a key has now, for commands that block. It has no response timeout, and
    /// is not replaced when it is lost.
    pub(crate) async fn connect(&self, key: &str) -> RedisResult<MultiplexedConnection> {
        self.0.client.connect_for_key(key, None).await
    }
}

fn call(command: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
    let mut call = Cmd::new();
    call.arg(command).arg(script).arg(keys.len()).arg(keys);
    for argument in arguments {
        call.arg(*argument);
    }
    call
}
