use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::{Instant, advance};

use super::{Arrival, FirstArrival, RunJournal, wall_clock};
use crate::model::{Envelope, Record, RecordId, StepEntry, StepHead, StepId, StepStatus, Token};

fn id() -> RecordId {
    RecordId::of("shop::checkout", None, &7).unwrap()
}

fn call() -> StepId {
    StepId::of_call(&id())
}

/// What a run of its own knows, and the run's token.
fn run(is_resumed: bool) -> (RunJournal, Token) {
    let token = Token::random();
    let record = Record::reserved(&Envelope::new("shop::checkout"), token);
    (RunJournal::new(token, record, is_resumed), token)
}

fn recorded(part_of: StepId) -> StepEntry {
    let head = StepHead {
        part_of,
        name: "ship",
        key: None,
        written: Duration::ZERO,
        attempt: Token::from_bytes([9; 16]),
        version: 0,
        fingerprint: None,
    };
    head.entry(StepStatus::Recorded, Duration::ZERO, b"")
}

fn arrive(journal: &RunJournal, step: StepId, part_of: StepId) -> Arrival {
    journal.arrive(&id(), step, part_of, true, || "ship".to_owned()).unwrap()
}

fn first(journal: &RunJournal, step: StepId) -> FirstArrival {
    match arrive(journal, step, call()) {
        Arrival::First(first) => first,
        Arrival::Recorded(entry) => panic!("it has run: {entry:?}"),
    }
}

#[test]
fn a_scope_expects_steps_until_the_last_of_them_was_asked_for() {
    let (journal, _) = run(true);
    let (a, b) = (call(), call().step("outer", None));
    let scopes = [a, b, a, b];
    let keys = ["1", "2", "3", "4"].map(|name| call().step(name, None));
    let entries = keys.into_iter().zip(scopes).map(|(step, scope)| (step, recorded(scope)));
    journal.load(entries.collect());
    let mut expecting = vec![(journal.is_expecting(&a), journal.is_expecting(&b))];
    for (step, scope) in keys.into_iter().zip(scopes) {
        arrive(&journal, step, scope);
        expecting.push((journal.is_expecting(&a), journal.is_expecting(&b)));
    }
    let (both, none) = ((true, true), (false, false));
    assert_eq!(expecting, [both, both, both, (false, true), none]);
}

#[test]
fn every_attempt_of_a_step_is_its_own_over_two_runs() {
    let step = call().step("ship", None);
    let mut attempts = Vec::new();
    for (journal, token) in [run(false), run(false)] {
        attempts.push(first(&journal, step).attempt(token));
        journal.failed(&step);
        attempts.push(first(&journal, step).attempt(token));
        journal.failed(&step);
        attempts.push(first(&journal, step).attempt(token));
        journal.succeeded(&step);
    }
    assert_eq!(attempts.iter().collect::<HashSet<_>>().len(), 6, "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_wall_time_of_a_run_is_that_of_its_beginning_and_what_has_passed_since() {
    let before = wall_clock();
    let (journal, _) = run(false);
    let after = wall_clock();
    let began = journal.wall_time(Instant::now());
    assert!((before..=after).contains(&began), "{:?}", UNIX_EPOCH + began);
    advance(Duration::from_secs(90)).await;
    assert_eq!(journal.wall_time(Instant::now()), began + Duration::from_secs(90));
}
