//! Logging in with credentials that change.
//!
//! redis-rs asks for a stream of them twice for each connection: it logs in with the first item of the first
//! stream, and again with each item of the second one for as long as the connection lives.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use redis::{BasicAuth, ConnectionInfo, RedisError, RedisResult, StreamingCredentialsProvider};
use tokio::time::{Instant, sleep_until};

use crate::backends::redis::error::no_credentials;
use crate::backends::shared::credentials::Provider;
use crate::store::poll::jittered;

/// The user whom Redis assumes where none is named.
const DEFAULT_USER: &str = "default";

/// A provider that failed while a connection lives is asked again after pauses that grow.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The credentials of a store.
#[derive(Clone)]
pub(in crate::backends::redis) struct ChangingLogin {
    provider: Provider,
    /// Why the provider failed last; redis-rs does not pass that on everywhere.
    failure: Arc<Mutex<Option<RedisError>>>,
}

/// The same for the connections of one client.
#[derive(Clone)]
pub(super) struct ConnectionLogin {
    login: ChangingLogin,
    /// For credentials without one.
    username: String,
    /// Of one connection: when the credentials of its first stream expire. `None` if several connections share
    /// this.
    first: Option<Arc<Mutex<Option<Next>>>>,
}

/// When to ask next.
#[derive(Clone, Copy)]
enum Next {
    At(Instant),
    Never,
}

impl ChangingLogin {
    pub(in crate::backends::redis) fn new(provider: Provider) -> Self {
        Self { provider, failure: Arc::default() }
    }

    /// For one connection of a client.
    pub(super) fn for_connection(&self, info: &ConnectionInfo) -> ConnectionLogin {
        ConnectionLogin { first: Some(Arc::default()), ..self.for_all(info) }
    }

    /// For any number of connections.
    pub(super) fn for_all(&self, info: &ConnectionInfo) -> ConnectionLogin {
        let username = info.redis_settings().username().unwrap_or(DEFAULT_USER).to_owned();
        ConnectionLogin { login: self.clone(), username, first: None }
    }

    /// Asks for credentials, and when to ask for the next ones.
    async fn ask(&self, username: &str) -> RedisResult<(BasicAuth, Next)> {
        let asked = Instant::now();
        let credentials = match self.provider.ask().await {
            Ok(credentials) => credentials,
            Err(error) => {
                let error = no_credentials(&error);
                *self.failure() = Some(error.clone());
                return Err(error);
            }
        };
        *self.failure() = None;
        let username = credentials.get_username().unwrap_or(username).to_owned();
        let auth = BasicAuth::new(username, credentials.get_password().to_owned());
        let next = credentials.get_valid_for().and_then(|time| asked.checked_add(time / 5 * 4));
        Ok((auth, next.map_or(Next::Never, Next::At)))
    }

    /// The credentials for one look at the servers.
    #[cfg(feature = "redis-sentinel")]
    pub(super) async fn login(&self, username: Option<&str>) -> RedisResult<BasicAuth> {
        Ok(self.ask(username.unwrap_or(DEFAULT_USER)).await?.0)
    }

    /// The provider's failure, if that is why a connection could not be made.
    pub(super) fn take_failure(&self) -> Option<RedisError> {
        self.failure().take()
    }

    fn failure(&self) -> MutexGuard<'_, Option<RedisError>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLogin {
    fn first(&self) -> Option<Next> {
        let first = self.first.as_ref()?;
        *first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_first(&self, next: Next) {
        if let Some(first) = &self.first {
            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(next);
        }
    }
}

impl StreamingCredentialsProvider for ConnectionLogin {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let state = (self.clone(), self.first(), FIRST_PAUSE);
        Box::pin(unfold(state, |(login, mut next, mut pause)| async move {
            match next {
                None => {}
                Some(Next::At(at)) => sleep_until(at).await,
                Some(Next::Never) => std::future::pending().await,
            }
            let answer = match login.login.ask(&login.username).await {
                Ok((auth, at)) => {
                    login.set_first(at);
                    (next, pause) = (Some(at), FIRST_PAUSE);
                    Ok(auth)
                }
                Err(error) => {
                    next = Some(Next::At(Instant::now() + jittered(pause)));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    Err(error)
                }
            };
            Some((answer, (login, next, pause)))
        }))
    }
}

impl fmt::Debug for ChangingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangingLogin").finish_non_exhaustive()
    }
}
