//! The names of a store's schema and tables, and how they get into its SQL.
//!
//! The SQL is written with the default names in double quotes: `"idempotent"."records"`. Every name that
//! begins with `"records`, such as `"records_expiry"`, belongs to the store. Nothing else is in double
//! quotes.

use sqlx::SqlStr;

use super::autocommit::Connections;
use crate::backends::shared::sql as shared_sql;
use crate::store::StoreError;

const SCHEMA: &str = "idempotent";
const TABLE: &str = "records";

/// `PostgreSQL` truncates names to 63 bytes, and the names of indexes and functions add a suffix to the
/// table's name.
const LONGEST_SCHEMA: usize = 63;
const LONGEST_TABLE: usize = 40;
const LONGEST_CHANNEL: usize = 63;

/// The names of a store's schema and tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableNames {
    schema: String,
    table: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), table: TABLE.to_owned() }
    }
}

impl TableNames {
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn set_schema(&mut self, schema: String) {
        self.schema = schema;
    }

    pub(super) fn set_table(&mut self, table: String) {
        self.table = table;
    }

    /// Refuses names that could end a quoted identifier.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        shared_sql::check_name("schema", &self.schema, LONGEST_SCHEMA)?;
        shared_sql::check_name("table", &self.table, LONGEST_TABLE)
    }

    /// SQL with these names in place of the default ones.
    pub(super) fn text(&self, sql: &str) -> String {
        let mut text = String::with_capacity(sql.len() + 64);
        for (at, part) in sql.split('"').enumerate() {
            if at % 2 == 0 {
                text.push_str(part);
                continue;
            }
            text.push('"');
            match part.strip_prefix(TABLE) {
                Some(suffix) => {
                    text.push_str(&self.table);
                    text.push_str(suffix);
                }
                None if part == SCHEMA => text.push_str(&self.schema),
                None => text.push_str(part),
            }
            text.push('"');
        }
        text
    }

    /// A statement with these names, which have passed [`check`](Self::check).
    pub(crate) fn statement(&self, sql: &str) -> SqlStr {
        shared_sql::statement(self.text(sql))
    }

    /// The same, for these connections.
    pub(crate) fn statement_for(&self, connections: Connections, sql: &str) -> SqlStr {
        self.statement(&connections.checked(sql))
    }

    /// The channel on which the stores of one table notify each other.
    pub(super) fn channel(&self) -> String {
        let channel = format!("{}.{}", self.schema, self.table);
        if channel.len() <= LONGEST_CHANNEL {
            return channel;
        }
        format!("{TABLE}.{}", &blake3::hash(channel.as_bytes()).to_hex()[..32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: &str, table: &str) -> TableNames {
        TableNames { schema: schema.to_owned(), table: table.to_owned() }
    }

    #[test]
    fn only_names_in_quotes_are_replaced() {
        let sql =
            r#"SELECT record, "other" FROM "idempotent"."records" JOIN "idempotent"."records_x""#;
        assert_eq!(TableNames::default().text(sql), sql);
        assert_eq!(
            names("records", "idempotent").text(sql),
            r#"SELECT record, "other" FROM "records"."idempotent" JOIN "records"."idempotent_x""#
        );
    }

    #[test]
    fn schema_and_table_are_both_checked() {
        assert!(names("a\"", "records").check().is_err());
        assert!(names("public", "a\"").check().is_err());
        assert!(names(&"x".repeat(64), "records").check().is_err());
        assert!(names("public", &"x".repeat(41)).check().is_err());
        assert!(names(&"x".repeat(63), &"x".repeat(40)).check().is_ok());
    }

    #[test]
    fn channels_are_distinct_and_never_too_long() {
        assert_eq!(TableNames::default().channel(), "idempotent.records");
        let long = names(&"s".repeat(63), &"t".repeat(40)).channel();
        assert!(long.len() <= LONGEST_CHANNEL, "{long}");
        assert_ne!(long, names(&"s".repeat(63), &"u".repeat(40)).channel());
    }
}
