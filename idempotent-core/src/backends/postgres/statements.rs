//! The statements of a store: the files of the folder `sql`, with the names of the store's tables.

use sqlx::SqlStr;

use super::table_names::TableNames;

/// The statements of one store. Each is one atomic step.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) reserve: SqlStr,
    pub(super) renew: SqlStr,
    pub(super) complete: SqlStr,
    pub(super) record: SqlStr,
    pub(super) release: SqlStr,
    pub(super) abandon: SqlStr,
    pub(super) purge: SqlStr,
    pub(super) load: SqlStr,
    pub(super) mark: SqlStr,
    pub(super) scan: SqlStr,
    pub(super) scan_unfinished: SqlStr,
    pub(super) sweep: SqlStr,
    pub(super) sweep_unfinished: SqlStr,
}

impl Statements {
    pub(super) fn new(names: &TableNames) -> Self {
        Self {
            reserve: names.statement(include_str!("sql/reserve.sql")),
            renew: names.statement(include_str!("sql/renew.sql")),
            complete: names.statement(include_str!("sql/complete.sql")),
            record: names.statement(include_str!("sql/record.sql")),
            release: names.statement(include_str!("sql/release.sql")),
            abandon: names.statement(include_str!("sql/abandon.sql")),
            purge: names.statement(include_str!("sql/purge.sql")),
            load: names.statement(include_str!("sql/load.sql")),
            mark: names.statement(include_str!("sql/mark.sql")),
            scan: names.statement(include_str!("sql/scan.sql")),
            scan_unfinished: names.statement(include_str!("sql/scan_unfinished.sql")),
            sweep: names.statement(include_str!("sql/sweep.sql")),
            sweep_unfinished: names.statement(include_str!("sql/sweep_unfinished.sql")),
        }
    }
}
