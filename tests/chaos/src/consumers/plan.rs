//! What befalls a run, and when: drawn from the seed.

use std::time::Duration;

use fastrand::Rng;

use super::Settings;
use crate::schedule::Planned;

/// Messages come before the first fault, and after the last.
const MARGIN: Duration = Duration::from_millis(700);

/// What befalls a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// `kill -9`, and another process in its place.
    Kill,
    /// `kill -STOP`, then `-CONT`.
    Freeze,
    /// Nothing goes between it and the broker.
    CutFromBroker,
    /// Nothing goes between it and its store.
    CutFromStore,
}

/// A fault of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) slot: usize,
    pub(super) what: What,
}

/// Faults of workers, in order; they may overlap.
pub(super) fn of_workers(settings: &Settings) -> Vec<Planned<Fault>> {
    let mut random = Rng::with_seed(settings.seed);
    let window = settings.load.saturating_sub(MARGIN * 2);
    let kinds = [
        (What::Kill, settings.kills),
        (What::Freeze, settings.freezes),
        (What::CutFromBroker, settings.cuts),
        (What::CutFromStore, settings.cuts),
    ];
    let kinds = kinds.into_iter().flat_map(|(what, count)| std::iter::repeat_n(what, count));
    let mut planned: Vec<_> = kinds
        .map(|what| {
            let fault = Fault { slot: random.usize(..settings.workers.max(1)), what };
            let lasts = match what {
                // How long its place stays empty.
                What::Kill => Duration::from_millis(random.u64(50..400)),
                _ => settings.deadline.mul_f64(1.1 + random.f64() / 4.0),
            };
            Planned { at: MARGIN + window.mul_f64(random.f64()), lasts, fault }
        })
        .collect();
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// When the broker is killed, and for how long it is away: each in its own share of the time.
pub(super) fn of_broker(settings: &Settings) -> Vec<Planned<()>> {
    let mut random = Rng::with_seed(settings.seed.wrapping_add(1 << 32));
    let window = settings.load.saturating_sub(MARGIN * 2);
    let share = window / u32::try_from(settings.restarts).unwrap_or(u32::MAX).max(1);
    let planned = (0..settings.restarts).map(|at| Planned {
        at: MARGIN + share * at as u32 + share.mul_f64(random.f64() / 2.0),
        lasts: Duration::from_millis(random.u64(100..800)),
        fault: (),
    });
    planned.collect()
}

#[cfg(test)]
mod tests {
    use idempotent_core::Guarantee;

    use super::super::Store;
    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_what_cuts_a_worker_off_outlasts_the_deadline() {
        let plan = |seed| {
            let settings = Settings { seed, ..Settings::new(Store::Redis, Guarantee::AtLeastOnce) };
            (of_workers(&settings), of_broker(&settings))
        };
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        let (of_workers, of_broker) = plan(7);
        assert_eq!((of_workers.len(), of_broker.len()), (7, 1));
        let mut lasting = of_workers.iter().filter(|planned| planned.fault.what != What::Kill);
        assert!(lasting.all(|planned| planned.lasts > Duration::from_secs(4)));
    }
}
