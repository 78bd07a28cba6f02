//! Whether results are kept for as long as their calls may come again.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use idempotent_core::store::{Scan, State};

use super::checkup::Checkup;
use super::checkup::Severity::Error;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{age, lasting};
use crate::store::{Connected, Pace, Pages};

/// So many pages are looked at: about two thousand records, which are in no particular order.
const PAGES: usize = 20;

/// By so much, clocks may differ.
const SKEW: Duration = Duration::from_secs(2);

pub(super) async fn check(
    checkup: &mut Checkup,
    store: &Connected,
    interrupt: &Interrupt,
    redelivery: Duration,
) -> Result<(), Failure> {
    let mut pages = Pages::new(&store.engine, interrupt, Pace::Gentle, Scan::all());
    let mut shortest: BTreeMap<String, Duration> = BTreeMap::new();
    for _ in 0..PAGES {
        let Some(page) = pages.next().await? else { break };
        let now = SystemTime::now();
        for seen in page.entries.iter().filter(|seen| seen.state() == State::Completed) {
            let Some(remaining) = seen.remaining() else { continue };
            // More than for how long the result is kept, by what the call took, so nothing is found that is not so.
            let kept = remaining + age(seen.created(), now) + SKEW;
            let least = shortest.entry(seen.operation().to_owned()).or_insert(kept);
            *least = kept.min(*least);
        }
    }
    let too_short = shortest.iter().filter(|(_, kept)| **kept < redelivery);
    let too_short: Vec<_> =
        too_short.map(|(name, kept)| format!("{name} for {}", lasting(*kept))).collect();
    let weak =
        (!too_short.is_empty()).then(|| format!("results are kept: {}", too_short.join(", ")));
    checkup.check(
        &store.server(),
        ("retention-below-redelivery", Error),
        weak,
        "A message or request that comes again later than that finds no result: its body runs again.",
        format!("give these operations a ttl above {}", lasting(redelivery)),
    );
    Ok(())
}
