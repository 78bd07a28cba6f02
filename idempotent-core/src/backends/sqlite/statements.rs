//! The statements of a store: the files of the folder `sql`, with the names of the store's tables.

use sqlx::SqlStr;

use super::table_names::TableNames;

/// The statements of one store. Each is one atomic step.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) load: SqlStr,
    pub(super) reserve: SqlStr,
    pub(super) renew: SqlStr,
    pub(super) complete: SqlStr,
    pub(super) complete_reserved: SqlStr,
    pub(super) release: SqlStr,
    pub(super) abandon: SqlStr,
    pub(super) purge: SqlStr,
    pub(super) correct: SqlStr,
    pub(super) note_purge: SqlStr,
    pub(super) last_purge: SqlStr,
    pub(super) purges: SqlStr,
    pub(super) scope_use: SqlStr,
    pub(super) scan: SqlStr,
    pub(super) scan_unfinished: SqlStr,
    pub(super) expired_completed: SqlStr,
    pub(super) expired_unfinished: SqlStr,
    pub(super) sweep: SqlStr,
    pub(super) sweep_purges: SqlStr,
    pub(super) mark_journal: SqlStr,
    pub(super) name_step: SqlStr,
    pub(super) write_step: SqlStr,
    pub(super) written_step: SqlStr,
    pub(super) load_steps: SqlStr,
    pub(super) resume: SqlStr,
    pub(super) suspend: SqlStr,
    pub(super) suspend_unmarked: SqlStr,
    pub(super) end_lease: SqlStr,
    pub(super) due: SqlStr,
    pub(super) due_in: SqlStr,
    pub(super) settle_step: SqlStr,
    pub(super) end_wait_for_steps: SqlStr,
    pub(super) release_unmarked: SqlStr,
}

impl Statements {
    pub(super) fn new(names: &TableNames) -> Self {
        let of = |sql| names.statement(sql);
        Self {
            load: of(include_str!("sql/load.sql")),
            reserve: of(include_str!("sql/reserve.sql")),
            renew: of(include_str!("sql/renew.sql")),
            complete: of(include_str!("sql/complete.sql")),
            complete_reserved: of(include_str!("sql/complete_reserved.sql")),
            release: of(include_str!("sql/release.sql")),
            abandon: of(include_str!("sql/abandon.sql")),
            purge: of(include_str!("sql/purge.sql")),
            correct: of(include_str!("sql/correct.sql")),
            note_purge: of(include_str!("sql/note_purge.sql")),
            last_purge: of(include_str!("sql/last_purge.sql")),
            purges: of(include_str!("sql/purges.sql")),
            scope_use: of(include_str!("sql/scope_use.sql")),
            scan: of(include_str!("sql/scan.sql")),
            scan_unfinished: of(include_str!("sql/scan_unfinished.sql")),
            expired_completed: of(include_str!("sql/expired_completed.sql")),
            expired_unfinished: of(include_str!("sql/expired_unfinished.sql")),
            sweep: of(include_str!("sql/sweep.sql")),
            sweep_purges: of(include_str!("sql/sweep_purges.sql")),
            mark_journal: of(include_str!("sql/mark_journal.sql")),
            name_step: of(include_str!("sql/name_step.sql")),
            write_step: of(include_str!("sql/write_step.sql")),
            written_step: of(include_str!("sql/written_step.sql")),
            load_steps: of(include_str!("sql/load_steps.sql")),
            resume: of(include_str!("sql/resume.sql")),
            suspend: of(include_str!("sql/suspend.sql")),
            suspend_unmarked: of(include_str!("sql/suspend_unmarked.sql")),
            end_lease: of(include_str!("sql/end_lease.sql")),
            due: of(include_str!("sql/due.sql")),
            due_in: of(include_str!("sql/due_in.sql")),
            settle_step: of(include_str!("sql/settle_step.sql")),
            end_wait_for_steps: of(include_str!("sql/end_wait_for_steps.sql")),
            release_unmarked: of(include_str!("sql/release_unmarked.sql")),
        }
    }
}
