//! Whether the records can be read.

use idempotent_core::store::Scan;

use super::checkup::Checkup;
use super::checkup::Severity::Error;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::grouped;
use crate::store::{Connected, Pace, Pages};

/// So many pages are looked at: about two hundred records, which are in no particular order.
const PAGES: usize = 3;

pub(super) async fn check(
    checkup: &mut Checkup,
    store: &Connected,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, Scan::all());
    let (mut all, mut unreadable, mut reason) = (0, 0, None);
    for _ in 0..PAGES {
        let Some(mut page) = pages.next().await? else { break };
        all += page.entries.len() + page.unreadable.len();
        unreadable += page.unreadable.len();
        reason = reason.or_else(|| page.unreadable.pop().map(|found| found.reason));
    }
    let weak = reason.map(|reason| {
        let (unreadable, all) = (grouped(unreadable as u64), grouped(all as u64));
        format!("{unreadable} of {all} records that were looked at cannot be read: {reason}")
    });
    checkup.check(
        &store.server(),
        ("unreadable-records", Error),
        weak,
        "Calls with their keys are refused if the application cannot read them either.",
        "give this command the application's secret, and use the newest version of both; `idempotent list` shows them",
    );
    Ok(())
}
