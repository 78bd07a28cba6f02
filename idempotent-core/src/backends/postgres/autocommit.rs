//! Whether a connection commits each statement by itself.
//!
//! The connections of an application's pool may be within a transaction that nobody knows of: sqlx 0.9 puts
//! a connection back whose `BEGIN` was cancelled before its answer arrived, and counts no transaction on it. A
//! reservation would then seem to be won, and never be committed.
//!
//! So on such a pool each statement asks for itself whether its transaction began with it, and fails if not.
//! That is a comparison within the statement, not a question of its own. `transaction_timestamp()` is when the
//! first message of the transaction arrived. A prepared statement arrives in two: its portal is made by the
//! first, and knows when; `statement_timestamp()` is when the second arrived.
//!
//! A proxy that prepares a statement on another connection just before it runs there makes the check fail once:
//! the store then takes another connection, as for any other that fails the check.

use std::borrow::Cow;

/// Where a statement has the check in its SQL.
const PLACEHOLDER: &str = "{autocommit}";

/// Part of the error's message, in whatever language the rest is.
pub(super) const MARK: &str = "not in autocommit";

/// True, or an error: `invalid input syntax for type boolean: "not in autocommit …"`. A function that raises a
/// better one would have to be in the schema, and would be called by each statement.
const CHECK: &str = "CASE WHEN transaction_timestamp() = \
     (SELECT creation_time FROM pg_catalog.pg_cursor() WHERE name = '') THEN true \
     ELSE ('not in autocommit, backend ' || pg_backend_pid())::boolean END";

/// The check of a text that begins a transaction, which arrives in one message: it comes after the `BEGIN`,
/// which would join an open transaction.
pub(crate) const BEGUN_HERE: &str = "SELECT CASE WHEN statement_timestamp() = transaction_timestamp() THEN true \
     ELSE ('not in autocommit, backend ' || pg_backend_pid())::boolean END";

/// Whose connections a statement runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// The store's, which nothing else uses.
    Own,
    /// The application's.
    Shared,
}

impl Connections {
    /// The SQL for these connections.
    pub(super) fn checked(self, sql: &str) -> Cow<'_, str> {
        match self {
            _ if !sql.contains(PLACEHOLDER) => Cow::Borrowed(sql),
            Self::Own => Cow::Owned(sql.replace(PLACEHOLDER, "true")),
            Self::Shared => Cow::Owned(sql.replace(PLACEHOLDER, CHECK)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_connections_are_checked() {
        let sql = "SELECT 1 WHERE {autocommit} AND true";
        assert_eq!(Connections::Own.checked(sql), "SELECT 1 WHERE true AND true");
        assert!(Connections::Shared.checked(sql).contains(MARK));
        assert!(BEGUN_HERE.contains(MARK));
    }
}
