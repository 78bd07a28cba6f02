//! A pool of sqlx, and with what it logs in.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Error, PgPool, Postgres};

use super::acquisitions::Acquisitions;
use super::error::is_login_refused;
use crate::backends::shared::credentials::Provider;

/// A pool of sqlx, and with what it logs in.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPool {
    pool: PgPool,
    login: Option<Login>,
    acquisitions: Arc<Acquisitions>,
}

/// What is not known once and for all.
#[derive(Clone, Debug)]
enum Login {
    /// A provider is asked for the user's name and password.
    Provided(Provider),
    /// As another pool does, whose options the application may change.
    SameAs(PgPool),
}

impl ConnectionPool {
    /// A pool that logs in as it does by itself.
    pub(crate) fn new(pool: PgPool) -> Self {
        let acquisitions = Acquisitions::of(&pool);
        Self { pool, login: None, acquisitions }
    }

    /// Asks this provider whenever a connection is opened.
    pub(super) fn with_provider(self, provider: Option<Provider>) -> Self {
        match provider {
            Some(provider) => Self { login: Some(Login::Provided(provider)), ..self },
            None => self,
        }
    }

    /// Logs in as this pool does at that time.
    pub(super) fn log_in_as(self, pool: PgPool) -> Self {
        Self { login: Some(Login::SameAs(pool)), ..self }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        let Some(login) = &self.login else { return self.acquire_as_is().await };
        // Then a connection is opened, unless there may be no more.
        if self.pool.num_idle() == 0 {
            self.renew(login).await?;
        }
        match self.acquire_as_is().await {
            // An idle connection was dead, and the one that replaces it came too late for its password.
            Err(error) if is_login_refused(&error) => {
                self.renew(login).await?;
                self.acquire_as_is().await
            }
            acquired => acquired,
        }
    }

    /// A connection, with what new ones log in with now.
    async fn acquire_as_is(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.acquisitions.acquire(&self.pool).await
    }

    /// Whether somebody who wants a connection now has to wait until another caller has one, or is done with it.
    pub(super) fn is_exhausted(&self) -> bool {
        let is_full = || self.pool.size() >= self.pool.options().get_max_connections();
        self.acquisitions.is_exhausted() || (self.pool.num_idle() == 0 && is_full())
    }

    /// The options for a connection beside the pool, which itself stays as it is.
    pub(super) async fn connect_options(&self) -> Result<PgConnectOptions, Error> {
        match &self.login {
            Some(login) => self.options_for(login).await,
            None => Ok(PgConnectOptions::clone(&self.pool.connect_options())),
        }
    }

    /// Sets with what the next connection logs in.
    async fn renew(&self, login: &Login) -> Result<(), Error> {
        self.pool.set_connect_options(self.options_for(login).await?);
        Ok(())
    }

    async fn options_for(&self, login: &Login) -> Result<PgConnectOptions, Error> {
        let provider = match login {
            Login::SameAs(pool) => return Ok(PgConnectOptions::clone(&pool.connect_options())),
            Login::Provided(provider) => provider,
        };
        let credentials =
            provider.ask().await.map_err(|error| Error::Configuration(error.into()))?;
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        let options = options.password(credentials.get_password());
        Ok(match credentials.get_username() {
            Some(username) => options.username(username),
            None => options,
        })
    }
}
