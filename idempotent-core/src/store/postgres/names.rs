//! The names of a store's schema and tables, and how they get into SQL texts.
//!
//! Texts are written with the default names, in double quotes: `"idempotent"."records"`. What begins
//! with `"records` is a name of the store's own, such as `"records_expiry"`. Nothing else is in
//! double quotes.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::{StoreError, StoreErrorKind};

const SCHEMA: &str = "idempotent";
const TABLE: &str = "records";

/// `PostgreSQL` cuts names off after 63 bytes; those that begin with the table's name get a suffix.
const LONGEST_SCHEMA: usize = 63;
const LONGEST_TABLE: usize = 40;

/// The longest name of a channel.
const LONGEST_CHANNEL: usize = 63;

/// Where a store's records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    schema: String,
    table: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), table: TABLE.to_owned() }
    }
}

impl Names {
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

    /// Refuses names that could end a quotation, in SQL or in the body of a function.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (what, name, longest) in
            [("schema", &self.schema, LONGEST_SCHEMA), ("table", &self.table, LONGEST_TABLE)]
        {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if name.is_empty() || name.len() > longest || !name.chars().all(plain) {
                let message = format!(
                    "the name of the {what} must be letters, digits, `_` and `-`, 1 to {longest} bytes"
                );
                return Err(StoreError::new(StoreErrorKind::Unavailable, message));
            }
        }
        Ok(())
    }

    /// The text under these names.
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

    /// The statement under these names, which [`check`](Self::check) has passed.
    pub(crate) fn statement(&self, sql: &str) -> SqlStr {
        AssertSqlSafe(std::sync::Arc::<str>::from(self.text(sql))).into_sql_str()
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

    fn names(schema: &str, table: &str) -> Names {
        Names { schema: schema.to_owned(), table: table.to_owned() }
    }

    #[test]
    fn names_are_written_into_quotes_and_nowhere_else() {
        let sql =
            r#"SELECT record, "other" FROM "idempotent"."records" JOIN "idempotent"."records_x""#;
        assert_eq!(Names::default().text(sql), sql);
        assert_eq!(
            names("records", "idempotent").text(sql),
            r#"SELECT record, "other" FROM "records"."idempotent" JOIN "records"."idempotent_x""#
        );
    }

    #[test]
    fn a_name_that_could_end_a_quotation_is_refused() {
        for name in ["", "a b", "a\"", "a'", "a$$", "a;", "a\0", "a.b", "a\\", &"x".repeat(64)] {
            assert!(names(name, "records").check().is_err(), "{name:?}");
            assert!(names("public", name).check().is_err(), "{name:?}");
        }
        assert!(names("public", &"x".repeat(41)).check().is_err());
        for name in ["Mandant-1", "SELECT", "записи", "_"] {
            assert!(names(name, name).check().is_ok(), "{name:?}");
        }
    }

    #[test]
    fn channels_are_told_apart_and_never_too_long() {
        assert_eq!(Names::default().channel(), "idempotent.records");
        let long = names(&"s".repeat(63), &"t".repeat(40)).channel();
        assert!(long.len() <= LONGEST_CHANNEL, "{long}");
        assert_ne!(long, names(&"s".repeat(63), &"u".repeat(40)).channel());
    }
}
