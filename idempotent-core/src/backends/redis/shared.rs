//! What the clones of a store share, and how its transitions send their commands.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{Cmd, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::background_tasks::BackgroundTasks;
use super::compare::CompareSupport;
use super::connection::{Client, Retry};
use super::entry::{self, StoredValue};
use super::error::{closed, is_out_of_memory, store_error, timed_out};
use super::key::Keys;
use super::notify::Notifier;
use super::replicas::MinReplicas;
use super::replicas::{NeedsReplicas, ReplicatedWriter};
use super::script::{Script, ScriptKeys, Scripts, is_unknown_script};
use super::server_check::{Durability, check_servers};
use crate::backends::shared::first_connection::{Connects, FirstConnection, connecting};
use crate::store::{Entry, StoreError};

/// What the clones of a store share.
///
/// Here and in the transitions, rare commands are boxed where they are sent: otherwise the future of
/// every call would contain them.
pub(super) struct Shared {
    pub(super) client: Arc<Client>,
    pub(super) notifier: Notifier,
    pub(super) keys: Keys,
    pub(super) scripts: Scripts,
    /// Sends reservations and completions, if replicas must have them too.
    pub(super) replicas: Option<ReplicatedWriter>,
    pub(super) compare: CompareSupport,
    pub(super) tasks: Arc<BackgroundTasks>,
    pub(super) is_closed: AtomicBool,
    pub(super) requirements: Requirements,
    pub(super) first_connection: FirstConnection,
    /// The servers, for people.
    pub(super) servers: String,
}

/// What the servers must be like.
pub(super) struct Requirements {
    pub(super) durability: Durability,
    pub(super) min_replicas: Option<MinReplicas>,
    pub(super) scripts_only: bool,
}

impl Connects for Shared {
    fn first_connection(&self) -> &FirstConnection {
        &self.first_connection
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.named(Box::pin(self.connect_and_check()).await)
    }
}

impl Shared {
    /// Returns once the store may be used: at once, unless it has never connected.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), StoreError> {
        self.check_open()?;
        if self.first_connection.is_made() {
            return Ok(());
        }
        self.start_connecting();
        Box::pin(self.first_connection.wait(self.client.limits().response_timeout)).await
    }

    /// Connects in the background, unless that is under way or done.
    pub(super) fn start_connecting(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Some(task) = connecting(self) {
            self.tasks.spawn(&runtime, task);
        }
    }

    async fn connect_and_check(&self) -> Result<(), StoreError> {
        self.client.connect().await.map_err(store_error)?;
        let Requirements { durability, min_replicas, scripts_only } = self.requirements;
        let found = check_servers(&self.client, durability, min_replicas).await?;
        if !scripts_only {
            self.compare.set(&found);
        }
        Ok(())
    }

    /// Names the servers in an error.
    pub(super) fn named<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.map_err(|error| error.at(&*self.servers))
    }

    /// Sends a command that changes a record, without waiting for replicas: if a failover undoes it, no
    /// effect happens twice.
    pub(super) async fn write(&self, key: &str, command: &Cmd, retry: Retry) -> RedisResult<Value> {
        self.client.send(key, command, retry).await
    }

    /// Sends a command that a lease depends on, before others.
    pub(super) async fn write_first(&self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.client.send_first(key, command).await
    }

    /// Runs a script that a lease depends on, before other commands.
    pub(super) async fn run_first(
        &self,
        script: &Script,
        keys: ScriptKeys<'_>,
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        match self.write_first(keys.record, &script.by_digest(keys, arguments)).await {
            Err(error) if is_unknown_script(&error) => {
                Box::pin(self.write_first(keys.record, &script.by_code(keys, arguments))).await
            }
            answer => answer,
        }
    }

    /// Runs a script without waiting for replicas, in one round trip unless the server does not know it.
    pub(super) async fn run(
        &self,
        script: &Script,
        keys: ScriptKeys<'_>,
        arguments: &[&[u8]],
        retry: Retry,
    ) -> RedisResult<Value> {
        match self.write(keys.record, &script.by_digest(keys, arguments), retry).await {
            Err(error) if is_unknown_script(&error) => {
                Box::pin(self.write(keys.record, &script.by_code(keys, arguments), retry)).await
            }
            answer => answer,
        }
    }

    /// Sends a command whose answer may need replicas; then it is returned once enough of them have what
    /// was written. The command may be sent twice.
    pub(super) async fn write_replicated(
        &self,
        key: &str,
        command: &Cmd,
        needs_replicas: NeedsReplicas,
    ) -> RedisResult<Value> {
        match &self.replicas {
            Some(replicas) => Box::pin(replicas.write(key, command, needs_replicas)).await,
            None => self.client.send(key, command, Retry::Once).await,
        }
    }

    /// Runs a script whose answer may need replicas.
    pub(super) async fn run_replicated(
        &self,
        script: &Script,
        keys: ScriptKeys<'_>,
        arguments: &[&[u8]],
        needs_replicas: NeedsReplicas,
    ) -> RedisResult<Value> {
        if let Some(answer) = self.run_known(script, keys, arguments, needs_replicas).await? {
            return Ok(answer);
        }
        let command = script.by_code(keys, arguments);
        Box::pin(self.write_replicated(keys.record, &command, needs_replicas)).await
    }

    /// The same with one command: `None` if the server may not know the script.
    ///
    /// The command is made before the future, which has no room for what it is made of.
    pub(super) fn run_known<'a>(
        &'a self,
        script: &Script,
        keys: ScriptKeys<'a>,
        arguments: &[&[u8]],
        needs_replicas: NeedsReplicas,
    ) -> impl Future<Output = RedisResult<Option<Value>>> + use<'a> {
        // While replicas are missing, every command takes all the time that they are given. None is
        // spent on a script that the server may not know.
        let is_sent = !self.lacks_replicas(keys.record);
        let command = is_sent.then(|| script.by_digest(keys, arguments));
        let key = keys.record;
        async move {
            let Some(command) = &command else { return Ok(None) };
            match self.write_replicated(key, command, needs_replicas).await {
                Err(error) if is_unknown_script(&error) => Ok(None),
                answer => answer.map(Some),
            }
        }
    }

    /// Whether too few replicas had the last write to the primary of a key.
    pub(super) fn lacks_replicas(&self, key: &str) -> bool {
        self.replicas.as_ref().is_some_and(|replicas| replicas.is_failing(key))
    }

    /// The longest that a transition takes: its first command, and [all the others](Self::bounded).
    /// Replicas are given time of their own.
    pub(super) fn response_timeout(&self) -> Option<Duration> {
        self.replicas.is_none().then(|| self.client.limits().response_timeout.saturating_mul(2))
    }

    /// Everything that a transition does after its first command, in the time of one command.
    pub(super) async fn bounded<T>(
        &self,
        rest: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.replicas.is_some() {
            return rest.await;
        }
        let limit = self.client.limits().response_timeout;
        timeout(limit, rest).await.unwrap_or_else(|_| Err(store_error(timed_out())))
    }

    /// The entry under a key.
    pub(super) async fn load(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let answers = self.client.send_all(key, &entry::load_commands(key)).await;
        let found = match answers.and_then(entry::parse_load) {
            Err(error) if is_out_of_memory(&error) => Box::pin(self.load_by_script(key)).await,
            found => found,
        };
        let found = found.map_err(store_error)?;
        found.map(|stored| entry::entry(&stored)).transpose()
    }

    /// A server at its memory limit accepts no transaction, but lets a script read.
    async fn load_by_script(&self, key: &str) -> RedisResult<Option<StoredValue>> {
        let keys = ScriptKeys::of_record(key);
        entry::parse_pair(self.run(&self.scripts.load, keys, &[], Retry::Once).await?)
    }

    /// Fails once the store is closed.
    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return self.named(Err(store_error(closed())));
        }
        Ok(())
    }

    /// Lets no further calls begin, waits for the commands in flight and for messages to be published,
    /// and ends the connections and the background tasks.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        self.client.drain().await;
        self.notifier.flush(self.client.limits().response_timeout).await;
        self.client.close();
        self.tasks.close().await;
    }
}
