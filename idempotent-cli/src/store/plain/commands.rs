//! [`Plain`]: three commands in the place of a store's transitions.

use std::time::Duration;

use idempotent_core::model::{Record, RecordId};
use idempotent_core::store::StoreError;
use tokio::time::timeout;

use super::redis::{self, RedisConnection};
use super::sql::{SqlConnection, Statements};
use crate::store::address::Address;

/// How long a reservation holds, as long as the library's by default.
const LEASE: Duration = Duration::from_secs(30);

/// Somebody's own commands.
#[derive(Clone)]
pub(crate) struct Plain {
    connection: Connection,
    /// How long one may take.
    limit: Duration,
}

#[derive(Clone)]
enum Connection {
    /// With the prefix of keys.
    Redis(RedisConnection, String),
    Sql(SqlConnection, Statements),
}

/// What a plain client needs of the settings.
pub(in crate::store) struct PlainSettings<'a> {
    pub(in crate::store) address: &'a Address,
    pub(in crate::store) username: Option<&'a str>,
    pub(in crate::store) password: Option<String>,
    pub(in crate::store) ca: Option<Vec<u8>>,
    pub(in crate::store) prefix: &'a str,
    pub(in crate::store) schema: &'a str,
    pub(in crate::store) table: Option<&'a str>,
    pub(in crate::store) connections: u32,
    pub(in crate::store) limit: Duration,
}

impl PlainSettings<'_> {
    /// Connects, for records of this operation.
    pub(in crate::store) async fn connect(self, operation: &str) -> Result<Plain, StoreError> {
        let connect = async {
            Ok(match self.address {
                Address::Postgres(url) => Connection::Sql(
                    SqlConnection::postgres(&self, url).await?,
                    Statements::postgres(self.schema, self.table.unwrap_or("records"), operation),
                ),
                Address::Sqlite(path) => Connection::Sql(
                    SqlConnection::sqlite(&self, path).await?,
                    Statements::sqlite(self.table.unwrap_or("idempotent_records"), operation),
                ),
                _ => {
                    let connection = RedisConnection::open(&self).await;
                    let connection = connection.map_err(StoreError::unavailable)?;
                    Connection::Redis(connection, self.prefix.to_owned())
                }
            })
        };
        let connection = timeout(self.limit, connect).await.unwrap_or_else(|_| Err(late()))?;
        Ok(Plain { connection, limit: self.limit })
    }
}

impl Plain {
    /// The three commands, for people: that reserves, that completes, that reads.
    pub(crate) const fn commands(&self) -> [&'static str; 3] {
        match self.connection {
            Connection::Redis(..) => ["SET … NX PX", "SET … XX PX", "GET"],
            Connection::Sql(..) => {
                ["INSERT … ON CONFLICT DO NOTHING", "UPDATE … WHERE id, token", "SELECT … WHERE id"]
            }
        }
    }

    /// Reserves a key. Returns whether it was vacant.
    pub(crate) async fn reserve(&self, id: &RecordId, record: &Record) -> Result<bool, StoreError> {
        self.in_time(async {
            match &self.connection {
                Connection::Redis(connection, prefix) => {
                    connection.set(&redis::key(prefix, id), record.as_bytes(), "NX", LEASE).await
                }
                Connection::Sql(connection, statements) => {
                    let token = record.token();
                    let values = [&id.hash()[..], &token.as_bytes()[..], record.as_bytes()];
                    connection.changes(&statements.reserve, &values).await
                }
            }
        })
        .await
    }

    /// Puts a result in the place of a reservation, for ten minutes. Returns whether that was there.
    pub(crate) async fn complete(
        &self,
        id: &RecordId,
        record: &Record,
    ) -> Result<bool, StoreError> {
        self.in_time(async {
            match &self.connection {
                Connection::Redis(connection, prefix) => {
                    let ttl = Duration::from_secs(600);
                    connection.set(&redis::key(prefix, id), record.as_bytes(), "XX", ttl).await
                }
                Connection::Sql(connection, statements) => {
                    let token = record.token();
                    let values = [&id.hash()[..], &token.as_bytes()[..], record.as_bytes()];
                    connection.changes(&statements.complete, &values).await
                }
            }
        })
        .await
    }

    /// Reads a result. Returns whether it is there.
    pub(crate) async fn read(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.in_time(async {
            match &self.connection {
                Connection::Redis(connection, prefix) => {
                    connection.has(&redis::key(prefix, id)).await
                }
                Connection::Sql(connection, statements) => {
                    connection.finds(&statements.read, &id.hash()[..]).await
                }
            }
        })
        .await
    }

    /// Ends the connections.
    pub(crate) async fn close(&self) {
        if let Connection::Sql(connection, _) = &self.connection {
            connection.close().await;
        }
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(self.limit, call).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> StoreError {
    StoreError::unavailable("a plain command was not answered in time")
}
