//! Many seeds, without a violation; and one for each rule that is left out.

use idempotent_core::Guarantee;

use super::gate::Flaw;
use super::schedule::{Plan, run_seed};
use super::world::{GIVEN_UP, LATE, Lapses};

fn seeds() -> u64 {
    let seeds = std::env::var("IDEMPOTENT_MIGRATION_SEEDS");
    seeds.ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(800)
}

/// Its time stands still but for what a seed lets pass.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

/// The first seed that shows a violation.
fn first_violation(seeds: u64, plan: Plan) -> Option<(u64, Vec<String>)> {
    let runtime = runtime();
    runtime.block_on(async {
        for seed in 0..seeds {
            let (violations, _) = run_seed(seed, plan).await;
            if !violations.is_empty() {
                return Some((seed, violations));
            }
        }
        None
    })
}

const AT_MOST_ONCE: Plan = Plan::new(Guarantee::AtMostOnce, Lapses::Any);
const AT_LEAST_ONCE: Plan = Plan::new(Guarantee::AtLeastOnce, Lapses::OfTheDead);

#[test]
fn at_most_once_no_effect_happens_twice_and_no_result_is_lost() {
    for calm in [60, 20] {
        assert_eq!(first_violation(seeds(), Plan { calm, ..AT_MOST_ONCE }), None);
    }
}

#[test]
fn at_least_once_no_effect_happens_again_once_its_result_is_written() {
    for calm in [60, 20] {
        assert_eq!(first_violation(seeds(), Plan { calm, ..AT_LEAST_ONCE }), None);
    }
}

/// The guard-outs: each rule is needed, and the simulation finds that it is left out.
#[test]
fn a_process_that_leaves_a_rule_out_is_found() {
    for (flaw, first_stage, plan) in [
        (Flaw::NoLook, 1, AT_LEAST_ONCE),
        (Flaw::NoLook, 1, AT_MOST_ONCE),
        (Flaw::OneWin, 3, AT_MOST_ONCE),
        (Flaw::NewResultOnly, 1, AT_LEAST_ONCE),
    ] {
        let begin = std::time::Instant::now();
        let found = first_violation(20_000, Plan { flaw, first_stage, calm: 20, ..plan });
        println!("{flaw:?}: {found:?} after {:?}", begin.elapsed());
        assert!(found.is_some(), "{flaw:?}");
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let runtime = runtime();
    runtime.block_on(async {
        let mut lengths = Vec::new();
        for seed in 0..20 {
            let (once, again) =
                (run_seed(seed, AT_MOST_ONCE).await, run_seed(seed, AT_MOST_ONCE).await);
            assert_eq!(once, again, "seed {seed}");
            lengths.push(once.1.len());
        }
        assert!(lengths.iter().sum::<usize>() > 100, "{lengths:?}");
    });
}

#[test]
fn stores_are_given_up_and_requests_arrive_after_that() {
    runtime().block_on(async {
        for plan in [AT_MOST_ONCE, AT_LEAST_ONCE] {
            let mut noted = Vec::new();
            for seed in 0..100 {
                let (_, trace) = run_seed(seed, plan).await;
                noted.extend(trace.into_iter().map(|(what, _)| what));
            }
            let count = |wanted| noted.iter().filter(|what| **what == wanted).count();
            println!("{} given up, {} late", count(GIVEN_UP), count(LATE));
            assert!(count(GIVEN_UP) > 0 && count(LATE) > 0, "{noted:?}");
        }
    });
}
