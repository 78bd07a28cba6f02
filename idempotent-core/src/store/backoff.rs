//! How long to pause before a retry: exponential backoff with full jitter.

use std::time::Duration;

/// The bounds of the pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The longest pause before the nth retry, from 1.
    pub(crate) fn ceiling(&self, retry: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(retry.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// The pause before the nth retry.
    pub(crate) fn pause(&self, retry: u32) -> Duration {
        // If there is no randomness, the longest pause does no harm.
        full_jitter(self.ceiling(retry), getrandom::u32().unwrap_or(u32::MAX))
    }
}

/// The part of a pause that a random number selects.
fn full_jitter(ceiling: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    let pause = Duration::try_from_secs_f64(ceiling.as_secs_f64() * share);
    pause.map_or(ceiling, |pause| pause.min(ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_pause() {
        let ceilings = [1, 2, 3, 6, 7, 8, 33, 34, u32::MAX].map(|retry| BACKOFF.ceiling(retry));
        let millis = [100, 200, 400, 3200, 5000, 5000, 5000, 5000, 5000];
        assert_eq!(ceilings, millis.map(Duration::from_millis));
    }

    #[test]
    fn the_largest_durations_do_not_overflow() {
        let backoff = Backoff { first: Duration::MAX, longest: Duration::MAX };
        assert_eq!(backoff.ceiling(40), Duration::MAX);
        assert_eq!(full_jitter(Duration::MAX, u32::MAX), Duration::MAX);
    }

    #[test]
    fn full_jitter_reaches_from_zero_to_the_ceiling() {
        let ceiling = Duration::from_secs(4);
        let pauses =
            [0, u32::MAX / 4, u32::MAX / 2, u32::MAX].map(|random| full_jitter(ceiling, random));
        let secs = pauses.map(|pause| pause.as_secs_f64().round());
        assert_eq!(secs, [0.0, 1.0, 2.0, 4.0]);
        assert_eq!((pauses[0], pauses[3]), (Duration::ZERO, ceiling));
    }

    #[test]
    fn pauses_are_spread_over_the_whole_of_their_range() {
        let pauses: Vec<_> = (0..400).map(|_| BACKOFF.pause(6)).collect();
        let ceiling = BACKOFF.ceiling(6);
        assert!(pauses.iter().all(|pause| *pause <= ceiling));
        for quarter in 0..4 {
            let range = ceiling * quarter / 4..=ceiling * (quarter + 1) / 4;
            let inside = pauses.iter().filter(|pause| range.contains(*pause)).count();
            // A quarter of 400 is 100, and under 40 comes once in 10^13 runs.
            assert!(inside >= 40, "{inside} of 400 in {range:?}");
        }
    }
}
