//! Credentials that change: a provider that a store asks whenever it logs in.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::{StoreError, StoreErrorKind};

/// What a store logs in with: a password or a token, and the name of a user unless that is in the URL.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::backends::Credentials;
///
/// let token = Credentials::new("shop", "a token").valid_for(Duration::from_secs(15 * 60));
/// assert_eq!(token.get_username(), Some("shop"));
/// assert!(!format!("{token:?}").contains("a token"));
/// ```
#[derive(Clone)]
pub struct Credentials {
    username: Option<String>,
    password: String,
    valid_for: Option<Duration>,
}

impl Credentials {
    /// A user's name, and its password or token.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: Some(username.into()), ..Self::password(password) }
    }

    /// A password or a token, for the user in the URL or the options.
    pub fn password(password: impl Into<String>) -> Self {
        Self { username: None, password: password.into(), valid_for: None }
    }

    /// For how long these are valid, counted from now. Default: for ever.
    ///
    /// A server that ends connections whose token has expired, as Redis services in clouds do, is sent
    /// new credentials in time. PostgreSQL checks them only when a connection is opened.
    #[must_use]
    pub const fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time);
        self
    }

    /// The user's name; `None` for the one in the URL or the options.
    #[must_use]
    pub fn get_username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The password or token.
    #[must_use]
    pub fn get_password(&self) -> &str {
        &self.password
    }

    /// For how long these are valid; `None` for ever.
    #[must_use]
    pub const fn get_valid_for(&self) -> Option<Duration> {
        self.valid_for
    }
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("valid_for", &self.valid_for)
            .finish_non_exhaustive()
    }
}

/// Where a store gets its [`Credentials`] from: a file that is rotated, a vault, or the token service of a
/// cloud.
///
/// A store asks whenever it opens a connection, so a provider whose answer takes long, or costs something,
/// should keep it for as long as it is valid. A closure that returns a future is a provider, too:
///
/// ```no_run
/// use idempotent_core::backends::{Credentials, PostgresStore};
///
/// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
/// let store = PostgresStore::builder("postgres://shop@127.0.0.1/shop")
///     .credentials(|| async {
///         let password = tokio::fs::read_to_string("/run/secrets/postgres").await?;
///         Ok(Credentials::password(password.trim_end()))
///     })
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[async_trait]
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials for a connection that is about to be opened.
    ///
    /// # Errors
    ///
    /// If there are none. The connection is not opened then, and the store's error has this one as its source.
    async fn credentials(&self) -> Result<Credentials, Box<dyn StdError + Send + Sync>>;
}

#[async_trait]
impl<F, Fut> CredentialsProvider for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, Box<dyn StdError + Send + Sync>>> + Send,
{
    async fn credentials(&self) -> Result<Credentials, Box<dyn StdError + Send + Sync>> {
        self().await
    }
}

/// The provider of one store.
#[derive(Clone)]
pub(in crate::backends) struct Provider(Arc<dyn CredentialsProvider>);

impl Provider {
    pub(in crate::backends) fn new(provider: impl CredentialsProvider) -> Self {
        Self(Arc::new(provider))
    }

    /// Asks for credentials.
    pub(in crate::backends) async fn ask(&self) -> Result<Credentials, StoreError> {
        self.0.credentials().await.map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, "the provider of credentials failed")
                .with_source(error)
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}
