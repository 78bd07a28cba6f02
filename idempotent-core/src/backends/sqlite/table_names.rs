//! The names of a store's tables, and how they get into its SQL.
//!
//! The SQL is written with the default name in double quotes. Every name that begins with it, such as
//! `"idempotent_records_expiry"`, belongs to the store. Nothing else is in double quotes. `{now}` stands for
//! the machine's clock.

use sqlx::SqlStr;

use crate::backends::shared::sql as shared_sql;
use crate::store::StoreError;

const TABLE: &str = "idempotent_records";

/// The same as in other databases.
const LONGEST: usize = 40;

/// Milliseconds since 1970. It is the same everywhere in one statement, and `SQLite` reads it once the
/// statement has its lock.
const NOW: &str = "CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)";

/// The names of a store's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableNames {
    table: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self { table: TABLE.to_owned() }
    }
}

impl TableNames {
    pub(super) fn set_table(&mut self, table: String) {
        self.table = table;
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Refuses a name that could end a quoted identifier.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        shared_sql::check_name("table", &self.table, LONGEST)
    }

    /// SQL with these names in place of the default ones.
    pub(super) fn text(&self, sql: &str) -> String {
        let named = sql.replace(&format!("\"{TABLE}"), &format!("\"{}", self.table));
        named.replace("{now}", NOW)
    }

    /// A statement with these names, which have passed [`check`](Self::check), and without its comments.
    pub(super) fn statement(&self, sql: &str) -> SqlStr {
        let is_code = |line: &&str| !line.trim_start().starts_with("--");
        let code: Vec<&str> = sql.lines().filter(is_code).collect();
        shared_sql::statement(self.text(&code.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &str) -> TableNames {
        TableNames { table: table.to_owned() }
    }

    #[test]
    fn only_names_in_quotes_are_replaced() {
        let sql = "SELECT idempotent_records FROM \"idempotent_records\", \"idempotent_records_x\"";
        assert_eq!(TableNames::default().text(sql), sql);
        assert_eq!(
            names("calls").text(sql),
            "SELECT idempotent_records FROM \"calls\", \"calls_x\""
        );
    }

    #[test]
    fn a_statement_has_no_comments() {
        let statement = TableNames::default().statement("-- 1: id.\nSELECT ?1\n-- that is all\n");
        assert_eq!(statement.as_str(), "SELECT ?1");
    }

    #[test]
    fn a_name_that_could_end_a_quoted_identifier_is_refused() {
        assert!(names("a\"").check().is_err());
        assert!(names(&"x".repeat(41)).check().is_err());
        assert!(names(&"x".repeat(40)).check().is_ok());
    }
}
