//! The property: no pair that differs has one fingerprint, and every pair that is equal does.

use std::env;

use idempotent_core::http::RequestFingerprint;

use super::random::Random;
use super::sent::Sent;
use super::{different, equal};

/// One thing of a request.
pub(super) struct Case {
    /// What the page calls it.
    pub(super) what: &'static str,
    pub(super) fingerprint: fn() -> RequestFingerprint,
    /// Two requests that differ in this one thing.
    pub(super) pair: fn(&mut Random, Sent) -> (Sent, Sent),
}

impl Case {
    pub(super) const fn of(
        what: &'static str,
        pair: fn(&mut Random, Sent) -> (Sent, Sent),
    ) -> Self {
        Self { what, fingerprint: RequestFingerprint::new, pair }
    }

    fn try_pairs(&self, pairs: usize, seed: u64, are_equal: bool) {
        let (mut random, fingerprint) = (Random::new(seed), (self.fingerprint)());
        for _ in 0..pairs {
            let base = Sent::random(&mut random);
            let (one, other) = (self.pair)(&mut random, base);
            assert!(are_equal || one != other, "{}: {one:?} is itself", self.what);
            let have_one = one.digest(&fingerprint) == other.digest(&fingerprint);
            assert_eq!(have_one, are_equal, "{}: {one:?} and {other:?}", self.what);
        }
    }
}

/// How many pairs are tried in all.
fn pairs() -> usize {
    env::var("IDEMPOTENT_PAIRS").map_or(20_000, |pairs| pairs.parse().unwrap())
}

#[test]
fn requests_that_differ_in_a_part_of_sameness_never_share_a_fingerprint() {
    let each = pairs() / different::CASES.len() + 1;
    for (seed, case) in different::CASES.iter().enumerate() {
        case.try_pairs(each, seed as u64, false);
    }
}

#[test]
fn requests_that_differ_in_what_is_no_part_of_sameness_always_share_a_fingerprint() {
    let each = pairs() / equal::CASES.len() + 1;
    for (seed, case) in equal::CASES.iter().enumerate() {
        case.try_pairs(each, seed as u64, true);
    }
}
