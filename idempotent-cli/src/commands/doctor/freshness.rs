//! Whether the store has the calls of late, which one that was restored from a backup has not.

use std::time::{Duration, SystemTime};

use idempotent_core::store::Scan;

use super::checkup::Checkup;
use super::checkup::Severity::Error;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{age, lasting};
use crate::store::{Connected, Pace, Pages};

/// Looks until it finds a record that is younger than `newest`, and so through all records if there is none.
pub(super) async fn check(
    checkup: &mut Checkup,
    store: &Connected,
    interrupt: &Interrupt,
    newest: Duration,
) -> Result<(), Failure> {
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, Scan::all());
    let mut youngest: Option<Duration> = None;
    while youngest.is_none_or(|youngest| youngest > newest) {
        let Some(page) = pages.next().await? else { break };
        let now = SystemTime::now();
        let ages = page.entries.iter().map(|seen| age(seen.created(), now));
        youngest = youngest.into_iter().chain(ages).min();
    }
    let weak = match youngest {
        None => Some("there is no record".to_owned()),
        Some(youngest) => (youngest > newest)
            .then(|| format!("the newest record was reserved {} ago", lasting(youngest))),
    };
    checkup.check(
        &store.server(),
        ("restored-backup", Error),
        weak,
        "If there were calls since then, their records are lost, as after a backup was restored: their retries run again.",
        "find out what was called since then, as from the provider, and settle it before you let retries in",
    );
    Ok(())
}
