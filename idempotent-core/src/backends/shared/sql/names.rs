//! The names of schemas and tables that an application may choose.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::{StoreError, StoreErrorKind};

/// Refuses names that could end a quoted identifier, in SQL or in the body of a function.
pub(in crate::backends) fn check_name(
    what: &str,
    name: &str,
    longest: usize,
) -> Result<(), StoreError> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > longest || !name.chars().all(is_plain) {
        let message = format!(
            "the name of the {what} must be letters, digits, `_` and `-`, 1 to {longest} bytes"
        );
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    Ok(())
}

/// A statement for sqlx, whose names have passed [`check_name`].
pub(in crate::backends) fn statement(sql: String) -> SqlStr {
    AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_end_a_quoted_identifier_is_refused() {
        for name in ["", "a b", "a\"", "a'", "a$$", "a;", "a\0", "a.b", "a\\", "{now}"] {
            assert!(check_name("table", name, 40).is_err(), "{name:?}");
        }
        assert!(check_name("table", &"x".repeat(41), 40).is_err());
        for name in ["Mandant-1", "SELECT", "записи", "_", "2", &"x".repeat(40)] {
            assert!(check_name("table", name, 40).is_ok(), "{name:?}");
        }
    }
}
