//! What is refused, and when the store is asked.

use super::super::scope_share::ScopeShare;
use super::*;
use crate::model::{Guarantee, ScopeId};

const DAY: Duration = Duration::from_secs(86_400);

fn charge(share: ScopeShare) -> Charge {
    let scope = ScopeId::from_bytes([7; 16]);
    let guarantee = Guarantee::AtMostOnce;
    let max_records = share.records(None);
    Charge { scope, share, max_records, guarantee, ttl: DAY, retention: DAY * 30 }
}

fn records(records: u64) -> ScopeUse {
    ScopeUse { records, ..ScopeUse::default() }
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_never_exceeds_a_share_however_late_the_answer() {
    let now = Instant::now();
    let (mut estimate, charge) = (Estimate::new(now), charge(ScopeShare::new().max_records(10)));
    let charged = |estimate: &mut Estimate| estimate.charge(&charge, true, now);
    for n in 0..10 {
        assert_eq!(charged(&mut estimate), Charged { refused: None, ask: n == 0 });
    }
    assert!(charged(&mut estimate).refused.is_some());
    // The answer covers the one call that had begun when it was asked for.
    estimate.answered(Some(records(1)), Duration::ZERO, now);
    assert!(charged(&mut estimate).refused.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_full_scope_is_let_in_again_when_the_store_says_so() {
    let now = Instant::now();
    let (mut estimate, charge) = (Estimate::new(now), charge(ScopeShare::new().max_records(1)));
    assert!(estimate.charge(&charge, true, now).ask);
    estimate.answered(Some(records(1)), Duration::ZERO, now);
    assert_eq!(
        estimate.charge(&charge, true, now),
        Charged { refused: Some("the limit is `max_records`"), ask: false }
    );
    let later = now + SHORTEST_PAUSE;
    assert!(estimate.charge(&charge, true, later).ask);
    estimate.answered(Some(records(0)), Duration::ZERO, later);
    assert_eq!(estimate.charge(&charge, true, later).refused, None);
}

#[tokio::test(start_paused = true)]
async fn a_scope_far_from_its_share_is_seldom_looked_at() {
    let mut now = Instant::now();
    let (mut estimate, charge) = (Estimate::new(now), charge(ScopeShare::new()));
    let mut looks = 0;
    for _ in 0..500_000 {
        now += Duration::from_millis(10);
        if estimate.charge(&charge, true, now).ask {
            looks += 1;
            let all = estimate.added.records + estimate.known.records;
            estimate.answered(Some(records(all)), Duration::ZERO, now);
        }
    }
    assert!((1..20).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn without_a_store_that_counts_what_was_added_fades_with_the_ttl() {
    let mut now = Instant::now();
    let (mut estimate, charge) = (Estimate::new(now), charge(ScopeShare::new().max_records(100)));
    let admitted = |estimate: &mut Estimate, now: Instant| {
        (0..1000).filter(|_| estimate.charge(&charge, false, now).refused.is_none()).count()
    };
    assert_eq!(admitted(&mut estimate, now), 100);
    assert_eq!(admitted(&mut estimate, now), 0);
    now += DAY + DAY / 2;
    assert_eq!(admitted(&mut estimate, now), 50);
    now += DAY * 3;
    assert_eq!(admitted(&mut estimate, now), 100);
}

#[tokio::test(start_paused = true)]
async fn indeterminate_records_have_a_bound_of_their_own() {
    let now = Instant::now();
    let share = ScopeShare::new().max_indeterminate(1);
    let (mut estimate, strict) = (Estimate::new(now), charge(share));
    assert_eq!(estimate.charge(&strict, true, now).refused, None);
    estimate.indeterminate();
    assert!(estimate.charge(&strict, true, now).refused.is_some());
    let lenient = Charge { guarantee: Guarantee::AtLeastOnce, ..strict };
    assert_eq!(estimate.charge(&lenient, true, now).refused, None);
}
