//! What the clones of a store share, and the ways on which commands go out.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisResult, Value};
use tokio::time::timeout;

use super::compares::Compares;
use super::error::{is_out_of_memory, store_error, timed_out};
use super::key::Keys;
use super::link::{Link, Repeat};
use super::look;
use super::replicas::{Promise, Replicas};
use super::script::{Script, Scripts, is_forgotten};
use super::wake::Hub;
use crate::store::{Entry, StoreError};

/// What the clones of a store share.
///
/// What is seldom asked is boxed where it is asked, here and in the transitions: the future of every
/// call has room for it otherwise.
pub(super) struct Shared {
    pub(super) link: Arc<Link>,
    pub(super) hub: Arc<Hub>,
    pub(super) keys: Keys,
    pub(super) scripts: Scripts,
    /// Where reservations and completions go, if replicas are to have them too.
    pub(super) replicas: Option<Replicas>,
    pub(super) compares: Compares,
}

impl Shared {
    /// A command that changes a record and promises nothing: should a failover undo it, no effect
    /// happens twice.
    pub(super) async fn write(
        &self,
        key: &str,
        command: &Cmd,
        repeat: Repeat,
    ) -> RedisResult<Value> {
        self.link.ask(key, command, repeat).await
    }

    /// Runs a script that promises nothing, in one trip unless the server has forgotten it.
    pub(super) async fn run(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
    ) -> RedisResult<Value> {
        match self.write(key, &script.by_digest(key, arguments), Repeat::Once).await {
            Err(error) if is_forgotten(&error) => {
                Box::pin(self.write(key, &script.by_code(key, arguments), Repeat::Once)).await
            }
            answer => answer,
        }
    }

    /// A command that may make a promise: such an answer is given when enough replicas have what it
    /// wrote. It may be sent twice.
    pub(super) async fn promise(
        &self,
        key: &str,
        command: &Cmd,
        promise: Promise,
    ) -> RedisResult<Value> {
        match &self.replicas {
            Some(replicas) => Box::pin(replicas.write(key, command, promise)).await,
            None => self.link.ask(key, command, Repeat::Once).await,
        }
    }

    /// Runs a script that may make a promise.
    pub(super) async fn run_promise(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
        promise: Promise,
    ) -> RedisResult<Value> {
        // Where replicas are missing every command takes the time that they are given: none is to be
        // lost on a script that the server may not know.
        if !self.lacks_replicas(key) {
            let answer = self.promise(key, &script.by_digest(key, arguments), promise).await;
            if !answer.as_ref().is_err_and(is_forgotten) {
                return answer;
            }
        }
        Box::pin(self.promise(key, &script.by_code(key, arguments), promise)).await
    }

    /// Whether the last promise to a key fell short of replicas.
    pub(super) fn lacks_replicas(&self, key: &str) -> bool {
        self.replicas.as_ref().is_some_and(|replicas| replicas.is_failing(key))
    }

    /// How long a transition takes at most: its first question, and [what it asks besides](Self::besides).
    /// Replicas are given times of their own.
    pub(super) fn answers_within(&self) -> Option<Duration> {
        self.replicas.is_none().then(|| self.link.limits().response.saturating_mul(2))
    }

    /// What a transition asks after its first question: as much as it likes, in the time of one.
    pub(super) async fn besides<T>(
        &self,
        rest: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.replicas.is_some() {
            return rest.await;
        }
        let limit = self.link.limits().response;
        timeout(limit, rest).await.unwrap_or_else(|_| Err(store_error(timed_out())))
    }

    /// What stands under a key.
    pub(super) async fn look(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let answers = self.link.read(key, &look::question(key)).await;
        let found = match answers.and_then(look::found) {
            Err(error) if is_out_of_memory(&error) => Box::pin(self.look_by_script(key)).await,
            found => found,
        };
        let found = found.map_err(store_error)?;
        found.map(|(value, left)| look::entry(&value, left)).transpose()
    }

    /// A server at its memory limit queues no transaction, and lets a script read.
    async fn look_by_script(&self, key: &str) -> RedisResult<look::Found> {
        look::both(self.run(&self.scripts.look, key, &[]).await?)
    }
}
