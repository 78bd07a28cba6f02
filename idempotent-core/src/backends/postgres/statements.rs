//! The statements of a store: the files of the folder `sql`, with the names of the store's tables.

use sqlx::SqlStr;

use super::autocommit::Connections;
use super::table_names::TableNames;

/// The statements of one store. Each is one atomic step.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) look: SqlStr,
    pub(super) change: SqlStr,
    pub(super) change_with_steps: SqlStr,
    pub(super) reserve: SqlStr,
    pub(super) reserve_with_input: SqlStr,
    pub(super) renew: SqlStr,
    pub(super) complete: SqlStr,
    pub(super) complete_within_retention: SqlStr,
    pub(super) record: SqlStr,
    pub(super) release: SqlStr,
    pub(super) abandon: SqlStr,
    pub(super) purge: SqlStr,
    pub(super) correct: SqlStr,
    pub(super) correct_many: SqlStr,
    pub(super) load: SqlStr,
    pub(super) mark: SqlStr,
    pub(super) scope_use: SqlStr,
    pub(super) scan: SqlStr,
    pub(super) scan_all: SqlStr,
    pub(super) scan_unfinished: SqlStr,
    pub(super) sweep: SqlStr,
    pub(super) sweep_unfinished: SqlStr,
    pub(super) write_step: SqlStr,
    pub(super) load_steps: SqlStr,
    pub(super) resume: SqlStr,
    pub(super) suspend: SqlStr,
    pub(super) due: SqlStr,
    pub(super) due_in: SqlStr,
}

impl Statements {
    pub(super) fn new(names: &TableNames, connections: Connections) -> Self {
        let of = |sql| names.statement_for(connections, sql);
        Self {
            look: of(include_str!("sql/look.sql")),
            change: of(include_str!("sql/change.sql")),
            change_with_steps: of(include_str!("sql/change_with_steps.sql")),
            reserve: of(include_str!("sql/reserve.sql")),
            reserve_with_input: of(include_str!("sql/reserve_with_input.sql")),
            renew: of(include_str!("sql/renew.sql")),
            complete: of(include_str!("sql/complete.sql")),
            complete_within_retention: of(include_str!("sql/complete_within_retention.sql")),
            record: of(include_str!("sql/record.sql")),
            release: of(include_str!("sql/release.sql")),
            abandon: of(include_str!("sql/abandon.sql")),
            purge: of(include_str!("sql/purge.sql")),
            correct: of(include_str!("sql/correct.sql")),
            correct_many: of(include_str!("sql/correct_many.sql")),
            load: of(include_str!("sql/load.sql")),
            mark: of(include_str!("sql/mark.sql")),
            scope_use: of(include_str!("sql/scope_use.sql")),
            scan: of(include_str!("sql/scan.sql")),
            scan_all: of(include_str!("sql/scan_all.sql")),
            scan_unfinished: of(include_str!("sql/scan_unfinished.sql")),
            sweep: of(include_str!("sql/sweep.sql")),
            sweep_unfinished: of(include_str!("sql/sweep_unfinished.sql")),
            write_step: of(include_str!("sql/write_step.sql")),
            load_steps: of(include_str!("sql/load_steps.sql")),
            resume: of(include_str!("sql/resume.sql")),
            suspend: of(include_str!("sql/suspend.sql")),
            due: of(include_str!("sql/due.sql")),
            due_in: of(include_str!("sql/due_in.sql")),
        }
    }
}
