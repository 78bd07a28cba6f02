//! The names of a store's tables, and how they get into SQL texts.
//!
//! Texts are written with the default name, in double quotes; what begins with it belongs to the
//! store too, such as `"idempotent_records_expiry"`. Nothing else is in double quotes. `{now}` is
//! the machine's clock.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::{StoreError, StoreErrorKind};

const TABLE: &str = "idempotent_records";

/// Enough for anybody, and the same as in other databases.
const LONGEST: usize = 40;

/// Milliseconds since 1970. Within one statement it is one moment, and `SQLite` reads it when the
/// statement has its lock.
const NOW: &str = "CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)";

/// Where a store's records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    table: String,
}

impl Default for Names {
    fn default() -> Self {
        Self { table: TABLE.to_owned() }
    }
}

impl Names {
    pub(super) fn set_table(&mut self, table: String) {
        self.table = table;
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Refuses names that could end a quotation.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let name = &self.table;
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(plain) {
            let message = format!(
                "the name of the table must be letters, digits, `_` and `-`, 1 to {LONGEST} bytes"
            );
            return Err(StoreError::new(StoreErrorKind::Unavailable, message));
        }
        Ok(())
    }

    /// The text under these names.
    pub(super) fn text(&self, sql: &str) -> String {
        let named = sql.replace(&format!("\"{TABLE}"), &format!("\"{}", self.table));
        named.replace("{now}", NOW)
    }

    /// The statement under these names, which [`check`](Self::check) has passed, without its
    /// comments.
    pub(super) fn statement(&self, sql: &str) -> SqlStr {
        let is_code = |line: &&str| !line.trim_start().starts_with("--");
        let code: Vec<&str> = sql.lines().filter(is_code).collect();
        AssertSqlSafe(Arc::<str>::from(self.text(&code.join("\n")))).into_sql_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &str) -> Names {
        Names { table: table.to_owned() }
    }

    #[test]
    fn names_are_written_into_quotes_and_nowhere_else() {
        let sql = "SELECT idempotent_records FROM \"idempotent_records\", \"idempotent_records_x\"";
        assert_eq!(Names::default().text(sql), sql);
        assert_eq!(
            names("calls").text(sql),
            "SELECT idempotent_records FROM \"calls\", \"calls_x\""
        );
    }

    #[test]
    fn a_statement_has_no_comments() {
        let statement = Names::default().statement("-- 1: id.\nSELECT ?1\n-- that is all\n");
        assert_eq!(statement.as_str(), "SELECT ?1");
    }

    #[test]
    fn a_name_that_could_end_a_quotation_is_refused() {
        for name in ["", "a b", "a\"", "a'", "a;", "a\0", "a.b", "a\\", "{now}", &"x".repeat(41)] {
            assert!(names(name).check().is_err(), "{name:?}");
        }
        for name in ["Mandant-1", "SELECT", "записи", "_", "2"] {
            assert!(names(name).check().is_ok(), "{name:?}");
        }
    }
}
