//! A statement with its arguments, and what it is for.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Encode, Error, PgConnection, Postgres, SqlStr, Type};

/// A statement with its arguments.
pub(crate) struct Query {
    statement: SqlStr,
    arguments: Result<PgArguments, String>,
    pub(super) purpose: Purpose,
    pub(super) awaits_abort: bool,
}

/// What a query is for, and so which connections it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Work, which waits until a connection is free.
    Work,
    /// The end of a call whose body has run. If it cannot be recorded in time, the body runs again.
    Settle,
    /// A lease that lapses if it is not renewed in time, and then the body runs again.
    Renew,
}

impl Query {
    pub(crate) fn new(statement: &SqlStr) -> Self {
        let arguments = Ok(PgArguments::default());
        let statement = statement.clone();
        Self { statement, arguments, purpose: Purpose::Work, awaits_abort: false }
    }

    /// Sets what it is for. Default: [`Purpose::Work`].
    pub(super) fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Returns an error only once the server has rolled back. PostgreSQL reports an error before it aborts the
    /// transaction, so an immediate retry on another connection would still find its rows locked. It costs each error
    /// one more round trip.
    pub(super) fn awaiting_abort(self) -> Self {
        Self { awaits_abort: true, ..self }
    }

    pub(crate) fn bind<'t, T>(mut self, value: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres> + 't,
    {
        if let Ok(arguments) = &mut self.arguments {
            if let Err(error) = arguments.add(value) {
                self.arguments = Err(error.to_string());
            }
        }
        self
    }

    pub(crate) async fn fetch_all(
        self,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, Error> {
        let arguments = self.arguments.map_err(|error| Error::Encode(error.into()))?;
        sqlx::query_with(self.statement, arguments).fetch_all(connection).await
    }
}
