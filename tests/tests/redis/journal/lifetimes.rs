//! How long the two keys of a call with steps live: equally long, whatever is late.

use std::time::Duration;

use idempotent_core::store::{
    Abandon, Release, RenewOutcome, ReserveOutcome, ResumeOutcome, Scan, State, Store,
    StoreErrorKind,
};
use idempotent_core::{Idempotency, backends::RedisStore};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Attempt;

use super::run::{BEGUN, Behind, RECORDED, RETENTION, Run, entry};

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl Behind {
    /// What is left of a record, after making sure that its journal ends at the same millisecond.
    async fn left(&self, run: &Run) -> i64 {
        let (record, journal) = run.keys();
        let ends = self.number(&["PEXPIRETIME", &record]).await;
        assert_eq!(self.number(&["PEXPIRETIME", &journal]).await, ends);
        self.number(&["PTTL", &record]).await
    }

    async fn assert_left(&self, run: &Run, lease: Duration, when: &str) {
        let (left, expected) = (self.left(run).await, millis(lease + RETENTION));
        let most = millis(Duration::from_secs(20));
        assert!((expected - most..=expected).contains(&left), "{when}: {left} of {expected}");
    }
}

async fn both_keys_end_together(at: &Behind) {
    let store = &at.store;
    let run = Run::with_a_step(store).await;
    at.assert_left(&run, Attempt::LEASE, "the first step").await;
    run.expect_written(store, "ship", &entry(RECORDED, 2)).await;
    at.assert_left(&run, Attempt::LEASE, "the second step").await;
    for reservation in [&run.plain, &run.record] {
        let renewed = run.attempt.renew(store, reservation).await.unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed);
        at.assert_left(&run, Attempt::LEASE, "a renewal").await;
    }
    run.suspend(store).await.unwrap();
    at.assert_left(&run, Duration::ZERO, "suspended").await;
    let renewed = run.attempt.renew(store, &run.record).await.unwrap();
    assert_eq!(renewed, RenewOutcome::Lost);
    let next = run.next();
    assert!(matches!(run.resume(store, &next).await.unwrap(), ResumeOutcome::Won));
    at.assert_left(&next, Attempt::LEASE, "resumed").await;
    next.attempt.record(store, &next.record, b"result").await;
    assert_eq!(at.number(&["DBSIZE"]).await, 1, "the journal goes with its reservation");
}

/// The clock of Redis 7.0 goes on between two lifetimes that one script sets.
#[tokio::test]
async fn a_journal_is_given_the_time_at_which_its_record_ends_and_no_lifetime_of_its_own() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    at.server.cli(&["CONFIG", "RESETSTAT"]).await;
    // The script that begins most journals, and the one for all of them.
    run.expect_written(&at.store, "charge", &entry(RECORDED, 1)).await;
    let other = Run::begin(&at.store).await;
    other.start(&at.store, "charge", &entry(BEGUN, 1)).await.unwrap();
    assert_eq!((at.calls_of("pexpireat").await, at.calls_of("pexpire").await), (2, 0), "begun");
    run.attempt.renew(&at.store, &run.record).await.unwrap();
    assert_eq!((at.calls_of("pexpireat").await, at.calls_of("pexpire").await), (3, 1), "renewed");
    run.suspend(&at.store).await.unwrap();
    let next = run.next();
    assert!(matches!(run.resume(&at.store, &next).await.unwrap(), ResumeOutcome::Won));
    assert_eq!((at.calls_of("pexpireat").await, at.calls_of("pexpire").await), (5, 1), "resumed");
}

#[tokio::test]
async fn by_script_a_journal_lives_exactly_as_long_as_its_record() {
    require!(Server::Redis);
    both_keys_end_together(&Behind::new(Flavor::Redis).await).await;
}

#[tokio::test]
async fn by_ifeq_a_journal_lives_exactly_as_long_as_its_record() {
    require!(Server::Valkey91);
    both_keys_end_together(&Behind::new(Flavor::Valkey91).await).await;
}

/// A store whose bytes do not go through the proxy.
async fn direct(at: &Behind) -> RedisStore {
    let store = RedisStore::builder(at.server.url()).response_timeout(Duration::from_secs(10));
    store.connect().await.unwrap()
}

/// As many as a lease of thirty seconds has, by an owner that knows of the journal and by one that does not yet.
async fn a_day_of_renewals_leaves_both_keys_as_long_as_each_other(at: &Behind) {
    const RENEWALS: usize = 24 * 60 * 6;
    let direct = direct(at).await;
    let run = Run::with_a_step(&direct).await;
    for renewal in 1..=RENEWALS {
        let reservation = [&run.plain, &run.record][renewal % 2];
        let renewed = run.attempt.renew(&direct, reservation).await.unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed);
        if renewal % (RENEWALS / 12) == 0 {
            at.assert_left(&run, Attempt::LEASE, "two hours of renewals").await;
        }
    }
    run.suspend(&direct).await.unwrap();
    at.assert_left(&run, Duration::ZERO, "suspended").await;
    assert_eq!(run.steps(&direct).await, [(run.step("charge"), entry(RECORDED, 1))]);
}

#[tokio::test]
async fn by_script_a_journal_lives_as_long_as_its_record_after_a_day_of_renewals() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    a_day_of_renewals_leaves_both_keys_as_long_as_each_other(&at).await;
}

#[tokio::test]
async fn by_ifeq_a_journal_lives_as_long_as_its_record_after_a_day_of_renewals() {
    require!(Server::Valkey91);
    let at = Behind::new(Flavor::Valkey91).await;
    a_day_of_renewals_leaves_both_keys_as_long_as_each_other(&at).await;
}

/// The renewal is held up by the proxy, and the step goes past it.
async fn a_late_renewal_shortens_nothing(at: &Behind, command: &str) {
    let direct = direct(at).await;
    let warmed_up = Run::begin(&at.store).await;
    warmed_up.attempt.renew(&at.store, &warmed_up.plain).await.unwrap();

    let run = Run::begin(&at.store).await;
    let before = at.proxy.counts().commands_of(command);
    at.proxy.stall();
    let (store, attempt, plain) = (at.store.clone(), run.attempt.clone(), run.plain.clone());
    let renewal = tokio::spawn(async move { attempt.renew(&store, &plain).await });
    at.proxy.wait_for(|counts| counts.commands_of(command) > before).await;
    run.expect_written(&direct, "charge", &entry(RECORDED, 1)).await;
    at.proxy.resume();
    assert_eq!(renewal.await.unwrap().unwrap(), RenewOutcome::Renewed);
    at.assert_left(&run, Attempt::LEASE, "a renewal that left before the first step").await;
    assert_eq!(run.steps(&direct).await, [(run.step("charge"), entry(RECORDED, 1))]);
}

#[tokio::test]
async fn by_script_a_renewal_that_left_before_the_first_step_does_not_shorten_the_record() {
    require!(Server::Redis);
    a_late_renewal_shortens_nothing(&Behind::new(Flavor::Redis).await, "EVALSHA").await;
}

#[tokio::test]
async fn by_ifeq_a_renewal_that_left_before_the_first_step_does_not_shorten_the_record() {
    require!(Server::Valkey91);
    a_late_renewal_shortens_nothing(&Behind::new(Flavor::Valkey91).await, "SET").await;
}

/// Whoever does not know of the journal, and whoever does.
#[tokio::test]
async fn nobody_releases_or_abandons_a_call_with_steps() {
    require!(Server::Redis, Server::Valkey81, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey81, Flavor::Valkey91] {
        let at = Behind::new(flavor).await;
        let run = Run::with_a_step(&at.store).await;
        for reservation in [&run.plain, &run.record] {
            let release = Release::new(&run.attempt.id, reservation);
            at.store.release(&release).await.unwrap();
            at.store.release(&release.including_indeterminate()).await.unwrap();
            let abandoned = reservation.abandoned();
            let abandon = Abandon::new(&run.attempt.id, reservation, &abandoned);
            at.store.abandon(&abandon).await.unwrap();
        }
        at.assert_left(&run, Attempt::LEASE, "releases").await;
        let ReserveOutcome::Taken(found) = run.attempt.reserve(&at.store).await.unwrap() else {
            panic!("{flavor:?}: a call with steps was released");
        };
        assert_eq!((found.state, &found.record), (State::Reserved, &run.record));
    }
}

#[tokio::test]
async fn a_scan_shows_calls_with_steps_and_no_journal() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let engine = Idempotency::builder(at.store.clone()).build();
    let run = Run::with_a_step(&at.store).await;
    run.suspend(&at.store).await.unwrap();
    for scan in [Scan::all(), Scan::unfinished(), Scan::all().operation("shop::charge")] {
        let page = engine.scan(&scan).await.unwrap();
        assert!(page.next.is_none() && page.unreadable.is_empty(), "{page:?}");
        let found: Vec<_> = page.entries.iter().map(|seen| (seen.id(), seen.state())).collect();
        assert_eq!(found, [(&run.attempt.id, State::Suspended)]);
    }
    assert!(engine.count_indeterminate().await.unwrap().is_empty());
    assert!(engine.purge(&run.attempt.id).await.unwrap());
    assert_eq!(at.number(&["DBSIZE"]).await, 0);
    assert!(!engine.purge(&run.attempt.id).await.unwrap());
}

/// A result is worth more memory than a server wants to use; a new effect is not.
#[tokio::test]
async fn a_full_server_takes_results_of_steps_and_begins_none() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    at.server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    run.expect_written(&at.store, "ship", &entry(RECORDED, 2)).await;
    let refused = run.start(&at.store, "pay", &entry(BEGUN, 3)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Full, "{refused}");
    run.suspend(&at.store).await.unwrap();
    let next = run.next();
    assert!(matches!(run.resume(&at.store, &next).await.unwrap(), ResumeOutcome::Won));
    assert_eq!(next.steps(&at.store).await.len(), 2);
    next.attempt.record(&at.store, &next.record, b"result").await;
}
