//! A store that is open, and the engine on it.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_core::{Idempotency, Store};

/// A store that is open, and the engine on it.
pub(crate) struct Connected {
    pub(crate) engine: Idempotency,
    pub(crate) backend: Backend,
    /// What keys begin with, in Redis.
    prefix: Option<String>,
    schema: Option<String>,
    table: Option<String>,
}

/// A store of one kind. Clones are the same store.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Redis(RedisStore),
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
}

impl Backend {
    /// The store itself, without an engine.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self.clone() {
            Self::Redis(store) => Arc::new(store),
            Self::Postgres(store) => Arc::new(store),
            Self::Sqlite(store) => Arc::new(store),
        }
    }
}

impl Connected {
    pub(super) fn new(
        backend: Backend,
        (secret, authentication_secret): (Option<[u8; 32]>, Option<[u8; 32]>),
        (prefix, schema, table): (Option<String>, Option<String>, Option<String>),
        timeout: Duration,
    ) -> Self {
        let mut builder = Idempotency::builder(backend.store()).store_timeout(timeout);
        if let Some(secret) = secret {
            builder = builder.secret(secret);
        }
        if let Some(secret) = authentication_secret {
            builder = builder.authentication_secret(secret);
        }
        Self { engine: builder.build(), backend, prefix, schema, table }
    }

    /// What the store's own keys begin with; `None` unless it is in Redis.
    pub(crate) fn prefix(&self) -> Option<&str> {
        match self.backend {
            Backend::Redis(_) => Some(self.prefix.as_deref().unwrap_or("idem:")),
            Backend::Postgres(_) | Backend::Sqlite(_) => None,
        }
    }

    /// The server or the file, for people.
    pub(crate) fn server(&self) -> String {
        let server = match &self.backend {
            Backend::Redis(store) => store.server(),
            Backend::Postgres(store) => store.server(),
            Backend::Sqlite(store) => store.server(),
        };
        server.unwrap_or("the store").to_owned()
    }

    /// Where its records are: the server or the file, and the prefix or the table there.
    pub(crate) fn place(&self) -> String {
        let table = self.table.as_deref();
        let part = match &self.backend {
            Backend::Redis(_) => format!("prefix {}", self.prefix().unwrap_or_default()),
            Backend::Postgres(_) => {
                let schema = self.schema.as_deref().unwrap_or("idempotent");
                format!("schema {schema}, table {}", table.unwrap_or("records"))
            }
            Backend::Sqlite(_) => format!("table {}", table.unwrap_or("idempotent_records")),
        };
        format!("{}, {part}", self.server())
    }

    /// Ends the connections in good order.
    pub(crate) async fn close(&self) {
        match &self.backend {
            Backend::Redis(store) => store.close().await,
            Backend::Postgres(store) => store.close().await,
            Backend::Sqlite(store) => store.close().await,
        }
    }
}
