//! The store of a database: records in a table of PostgreSQL, one row each.
//!
//! [`schema`] is the tables, by the files of `migrations/postgres`; [`names`] puts a store's names
//! into SQL texts, [`statements`] are the texts. [`reserve`], [`complete`], [`renew`] and
//! [`release`] are the transitions, [`look`] how a row becomes a state, [`scan`] the paging. [`link`]
//! is the way to the server, [`shared`] what they all use. [`transaction`] is calls within
//! transactions of their callers.

mod builder;
mod complete;
mod error;
mod link;
mod look;
mod names;
mod release;
mod renew;
mod reserve;
mod scan;
mod schema;
mod shared;
mod statements;
mod transaction;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;

pub use self::builder::PostgresStoreBuilder;
use self::error::store_error;
use self::shared::Shared;
pub use self::transaction::{RetryTransaction, is_conflict, retry_transaction};
use super::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, Store, StoreError,
};
use crate::record::RecordId;

/// The store of a fleet that has a database: any number of processes share the records in a table of
/// one PostgreSQL server, version 15 or newer.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::store::PostgresStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://shop@127.0.0.1/shop").await?;
/// store.migrate().await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// Clones share everything.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

impl PostgresStore {
    /// Connects to a server by its URL, `postgres://user:password@host:port/database`, with
    /// everything else at its default.
    ///
    /// # Errors
    ///
    /// If the URL is none, or the server cannot be reached or refuses the login.
    pub async fn connect(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Sets up a store with connections of its own.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::store::PostgresStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = PostgresStore::builder("postgres://shop@127.0.0.1/shop")
    ///     .schema("shop")
    ///     .table("idempotency")
    ///     .response_timeout(Duration::from_millis(500))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::url(url.into())
    }

    /// Sets up a store on a pool that the application already has.
    pub fn from_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::pool(pool)
    }

    /// Makes the tables of the store, or brings them to the version that this code needs. Does
    /// nothing, and needs no right to create anything, where that is done.
    ///
    /// Any number of processes may do this at once. Whoever runs migrations with tools of their own
    /// takes the files of `migrations/postgres` in this crate's sources instead, or
    /// [`migrations`](Self::migrations).
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, or the user lacks the rights to make tables.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.0.link.connection().await.map_err(store_error)?;
        schema::migrate(&mut connection, &self.0.names).await.map(drop).map_err(store_error)
    }

    /// The versions of the schema, from 1 on, and the SQL that brings each about, under this
    /// store's names: for tools of your own. Each wants a transaction, in which it also says that it
    /// ran.
    pub fn migrations(&self) -> impl Iterator<Item = (i32, String)> {
        schema::texts(&self.0.names)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        reserve::reserve(&self.0, request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        renew::renew(&self.0, request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        complete::complete(&self.0, request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        release::release(&self.0, request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        look::load(&self.0, id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        release::purge(&self.0, id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::scan(&self.0, request).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.0.tables)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("names", &self.0.names).finish_non_exhaustive()
    }
}
