//! Everything that a store asks: the files of `sql`, under the store's names.

use sqlx::SqlStr;

use super::names::Names;

/// The statements of one store. Each is one atomic step.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) look: SqlStr,
    pub(super) reserve: SqlStr,
    pub(super) renew: SqlStr,
    pub(super) complete: SqlStr,
    pub(super) complete_held: SqlStr,
    pub(super) release: SqlStr,
    pub(super) purge: SqlStr,
    pub(super) note_purge: SqlStr,
    pub(super) last_purge: SqlStr,
    pub(super) purges: SqlStr,
    pub(super) scan: SqlStr,
    pub(super) scan_unfinished: SqlStr,
    pub(super) over_completed: SqlStr,
    pub(super) over_unfinished: SqlStr,
    pub(super) sweep: SqlStr,
    pub(super) sweep_purges: SqlStr,
}

impl Statements {
    pub(super) fn new(names: &Names) -> Self {
        let of = |sql| names.statement(sql);
        Self {
            look: of(include_str!("sql/look.sql")),
            reserve: of(include_str!("sql/reserve.sql")),
            renew: of(include_str!("sql/renew.sql")),
            complete: of(include_str!("sql/complete.sql")),
            complete_held: of(include_str!("sql/complete_held.sql")),
            release: of(include_str!("sql/release.sql")),
            purge: of(include_str!("sql/purge.sql")),
            note_purge: of(include_str!("sql/note_purge.sql")),
            last_purge: of(include_str!("sql/last_purge.sql")),
            purges: of(include_str!("sql/purges.sql")),
            scan: of(include_str!("sql/scan.sql")),
            scan_unfinished: of(include_str!("sql/scan_unfinished.sql")),
            over_completed: of(include_str!("sql/over_completed.sql")),
            over_unfinished: of(include_str!("sql/over_unfinished.sql")),
            sweep: of(include_str!("sql/sweep.sql")),
            sweep_purges: of(include_str!("sql/sweep_purges.sql")),
        }
    }
}
