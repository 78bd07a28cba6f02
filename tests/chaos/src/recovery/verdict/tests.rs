//! The judge, on ledgers that were made up: one that is in order, and one for each promise that is broken.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stuck::allowed;
use super::{Evidence, Verdict, verdict};
use crate::checker::Span;
use crate::recovery::incidents::{Freeze, Incidents};
use crate::recovery::judge::Findings;
use crate::recovery::ledger::{Entry, Event, Run};
use crate::recovery::order::{STEPS, result};
use crate::recovery::rows;
use crate::timestamp::Timestamp;

const FIRST: Run = Run { process: 0, number: 1 };
const SECOND: Run = Run { process: 1, number: 1 };
const THIRD: Run = Run { process: 2, number: 0 };
const LEASE: Duration = Duration::from_secs(2);

fn after(millis: u64) -> Timestamp {
    Timestamp(1_000_000_000).after(Duration::from_millis(millis))
}

/// A ledger that is written line by line.
struct Story {
    now: u64,
    entries: Vec<Entry>,
    findings: Findings,
    incidents: Incidents,
}

impl Story {
    /// One call that has begun.
    fn begin() -> Self {
        let findings =
            Findings { results: BTreeMap::from([(0, result(0))]), ..Findings::default() };
        let incidents = Incidents::default();
        let story = Self { now: 0, entries: Vec::new(), findings, incidents };
        story.start(FIRST)
    }

    fn start(self, run: Run) -> Self {
        self.then(Run { number: 0, ..run }, Event::Asked).then(run, Event::Started)
    }

    fn then(mut self, run: Run, event: Event) -> Self {
        self.now += 10;
        self.entries.push(Entry { at: after(self.now), order: 0, run, event });
        self
    }

    fn wait(mut self, millis: u64) -> Self {
        self.now += millis;
        self
    }

    /// A run begins a step, which takes effect and is not recorded.
    fn half(self, run: Run, step: u32) -> Self {
        let effect = Event::Effect { step, key: format!("key {step}") };
        self.then(run, Event::Wanted { step }).then(run, Event::Entered { step }).then(run, effect)
    }

    fn steps(self, run: Run, steps: std::ops::Range<u32>) -> Self {
        steps.fold(self, |story, step| story.half(run, step).then(run, Event::Recorded { step }))
    }

    fn fail(self, run: Run, code: &str) -> Self {
        self.then(run, Event::Ended { code: code.to_owned(), why: String::new() })
    }

    fn end(self, run: Run) -> Self {
        self.fail(run, "ok").then(run, Event::Answered { result: result(0) })
    }

    fn judged(&self) -> Verdict {
        let (_, mut settings) = rows(std::path::Path::new("chaos")).remove(0);
        settings.orders = 1;
        settings.lease = LEASE;
        let Self { entries, findings, incidents, .. } = self;
        verdict(&Evidence { settings: &settings, entries, findings, incidents })
    }
}

/// The first of two processes dies half way, in a step that the second repeats and one that it does not.
fn honest() -> Story {
    let story = Story::begin().steps(FIRST, 0..5).half(FIRST, 5).wait(2_500);
    story.start(SECOND).half(SECOND, 5).then(SECOND, Event::Recorded { step: 5 })
}

fn assert_only(story: &Story, fault: &str) {
    let faults = story.judged().faults;
    assert!(faults.len() == 1 && faults[0].contains(fault), "{fault}: {faults:?}");
}

#[test]
fn an_honest_run_keeps_its_promises_and_repeats_by_the_same_key() {
    let verdict = honest().steps(SECOND, 6..STEPS).end(SECOND).judged();
    assert_eq!(verdict.faults, [""; 0]);
    assert_eq!((verdict.repeated, verdict.resumed, verdict.effects), (1, 1, 11));
    assert_eq!(verdict.longest_stuck, Duration::from_millis(2_510));
}

#[test]
fn a_call_that_has_not_ended_is_found() {
    let mut story = honest();
    story.findings.results.clear();
    story.findings.unfinished.insert(0, "it is suspended".to_owned());
    assert_only(&story, "order 0 has not ended: it is suspended");
}

#[test]
fn a_call_that_nobody_knows_is_found() {
    let mut story = honest();
    story.findings.results.clear();
    assert_only(&story, "only 0 of 1");
}

#[test]
fn a_call_that_had_started_and_has_no_record_is_found() {
    let mut story = honest().steps(SECOND, 6..STEPS).end(SECOND);
    story.findings.forgotten.push(0);
    assert_only(&story, "order 0 had started and was forgotten");
}

#[test]
fn a_second_effect_at_most_once_is_found() {
    let story = Story::begin().steps(FIRST, 0..2).half(FIRST, 2).wait(2_500);
    let story = story.start(SECOND).steps(SECOND, 2..STEPS).end(SECOND);
    assert_only(&story, "step 2 ran 2 times");
}

#[test]
fn a_repeated_effect_with_another_key_is_found() {
    let mut story = honest().steps(SECOND, 6..STEPS).end(SECOND);
    let key = "another".to_owned();
    let repeated = story.entries.iter_mut().find(|it| it.run == SECOND && it.is_effect_of(5));
    repeated.expect("it is repeated").event = Event::Effect { step: 5, key };
    assert_only(&story, "step 5 was sent with the keys {\"another\", \"key 5\"}");
}

#[test]
fn two_steps_with_one_key_are_found() {
    let story = Story::begin().steps(FIRST, 0..STEPS).end(FIRST);
    let (mut other, key) = (Story::begin().steps(FIRST, 0..1), "key 3".to_owned());
    other.entries.retain(|entry| entry.is_effect_of(0));
    other.entries[0].event = Event::Effect { step: 0, key };
    other.entries[0].order = 1;
    let entries = story.entries.iter().chain(&other.entries).cloned().collect();
    assert_only(&Story { entries, ..story }, "the key key 3 was sent by several steps");
}

#[test]
fn a_call_that_ended_without_an_effect_is_found() {
    let mut story = Story::begin().steps(FIRST, 0..STEPS).end(FIRST);
    story.entries.retain(|entry| !entry.is_effect_of(4));
    assert_only(&story, "order 0 ended, and step 4 had no effect");
}

#[test]
fn a_result_other_than_that_of_an_uninterrupted_run_is_found_wherever_it_was_told() {
    let told = Story::begin().steps(FIRST, 0..STEPS).end(FIRST);
    let told = told.then(SECOND, Event::Answered { result: 1 });
    assert_only(&told, "order 0 returned 1, not 45");
    let mut kept = Story::begin().steps(FIRST, 0..STEPS).end(FIRST);
    kept.findings.results.insert(0, 2);
    assert_only(&kept, "order 0 returned 2, not 45");
}

#[test]
fn a_run_that_starts_a_step_after_another_has_the_call_is_found() {
    let late = honest().then(FIRST, Event::Entered { step: 6 });
    let late = late.steps(SECOND, 6..STEPS).end(SECOND);
    assert_only(&late, "started step 6 50 ms after");
    // What it had started before may still take effect.
    let story =
        Story::begin().steps(FIRST, 0..5).then(FIRST, Event::Entered { step: 5 }).wait(2_500);
    let effect = Event::Effect { step: 5, key: "key 5".to_owned() };
    let story = story.start(SECOND).then(FIRST, effect).steps(SECOND, 5..STEPS);
    assert_eq!(story.end(SECOND).judged().faults, [""; 0]);
}

#[test]
fn a_recorded_step_that_runs_again_is_found() {
    let story = honest().steps(SECOND, 4..5).steps(SECOND, 6..STEPS).end(SECOND);
    assert_only(&story, "ran step 4, which was recorded");
}

#[test]
fn a_call_that_waits_for_the_judge_without_a_step_in_doubt_is_found() {
    let parked = Story::begin().steps(FIRST, 0..4).fail(FIRST, "store_unavailable");
    let parked = parked.then(SECOND, Event::Resolved).start(SECOND);
    assert_only(&parked.steps(SECOND, 4..STEPS).end(SECOND), "without a step in doubt");
    let in_doubt = Story::begin().steps(FIRST, 0..2).half(FIRST, 2).wait(60_000);
    let resolved = in_doubt.then(SECOND, Event::Resolved).start(SECOND);
    assert_eq!(resolved.steps(SECOND, 3..STEPS).end(SECOND).judged().faults, [""; 0]);
}

#[test]
fn a_call_that_waits_after_its_step_was_recorded_is_found() {
    // The first dies before it begins the step, the second records it.
    let story = Story::begin().steps(FIRST, 0..2).then(FIRST, Event::Wanted { step: 2 });
    let story = story.wait(2_500).start(SECOND).steps(SECOND, 2..5).fail(SECOND, "store");
    let parked = story.then(SECOND, Event::Resolved).start(SECOND);
    assert_only(&parked.steps(SECOND, 5..STEPS).end(SECOND), "without a step in doubt");
}

#[test]
fn a_call_that_waits_again_after_the_judge_has_spoken_is_found() {
    let in_doubt = Story::begin().steps(FIRST, 0..2).half(FIRST, 2).wait(2_500).start(SECOND);
    let in_doubt = in_doubt.then(SECOND, Event::Wanted { step: 2 }).fail(SECOND, "indeterminate");
    // The judge says so twice, since nobody has heard it the first time.
    let resolved = in_doubt.then(THIRD, Event::Resolved).then(THIRD, Event::Resolved);
    let goes_on = resolved.start(SECOND);
    let again = goes_on.fail(SECOND, "store").then(THIRD, Event::Resolved).start(SECOND);
    assert_only(&again.steps(SECOND, 3..STEPS).end(SECOND), "without a step in doubt");
}

#[test]
fn a_call_that_waits_and_has_no_step_in_doubt_is_found() {
    let mut story = Story::begin().steps(FIRST, 0..STEPS).end(FIRST);
    story.findings.waited_in_vain.insert(0);
    assert_only(&story, "order 0 waited in vain");
}

fn stuck_for(time: Duration) -> Story {
    let millis = time.as_millis() as u64;
    let story = Story::begin().steps(FIRST, 0..5).wait(millis).start(SECOND);
    story.steps(SECOND, 5..STEPS).end(SECOND)
}

#[test]
fn a_call_that_is_stuck_longer_than_its_lease_and_the_backoff_is_found() {
    let too_long = allowed(LEASE) + Duration::from_millis(10);
    assert_only(&stuck_for(too_long), "order 0 was stuck for");
    assert_eq!(stuck_for(allowed(LEASE) - Duration::from_millis(10)).judged().faults, [""; 0]);
}

#[test]
fn time_without_a_store_counts_neither_as_stuck_nor_twice() {
    let mut story = stuck_for(allowed(LEASE) + Duration::from_millis(900));
    let span = |from, to| Span { from: after(from), to: after(to) };
    story.incidents.absences = vec![span(500, 1_050)];
    story.incidents.stalls = vec![span(700, 1_000)];
    assert_only(&story, "order 0 was stuck for");
    story.incidents.stalls = vec![span(700, 1_450)];
    assert_eq!(story.judged().faults, [""; 0]);
}

#[test]
fn time_in_which_no_build_knows_a_call_excuses_no_other() {
    let mut story = stuck_for(allowed(LEASE) + Duration::from_millis(900));
    let unknown = Span { from: after(500), to: after(1_500) };
    story.incidents.unknown = vec![([1].into(), unknown)];
    assert_only(&story, "order 0 was stuck for");
    story.incidents.unknown = vec![([0].into(), unknown)];
    assert_eq!(story.judged().faults, [""; 0]);
}

#[test]
fn a_worker_that_may_have_died_with_the_call_prolongs_its_time_and_an_earlier_one_does_not() {
    let mut story = stuck_for(allowed(LEASE) + Duration::from_millis(900));
    story.incidents.kills = vec![after(1_000)];
    assert_only(&story, "order 0 was stuck for");
    let frozen = Span { from: after(3_500), to: after(6_000) };
    story.incidents.freezes = vec![Freeze { process: 3, span: frozen }];
    assert_eq!(story.judged().faults, [""; 0]);
    assert_eq!(story.judged().excused, 1);
}

#[test]
fn taking_a_call_again_and_again_without_running_it_is_no_sign_of_life() {
    let third = u64::try_from(allowed(LEASE).as_millis()).unwrap() / 3;
    let refused = |story: Story| story.wait(third).then(THIRD, Event::Asked);
    let story = refused(refused(refused(Story::begin().steps(FIRST, 0..5))));
    let story = story.wait(third).start(SECOND).steps(SECOND, 5..STEPS).end(SECOND);
    assert_only(&story, "its last sign of life was Recorded { step: 4 }");
}

#[test]
fn a_step_that_a_process_starts_right_after_it_was_frozen_was_decided_before() {
    let late = |step| honest().then(FIRST, Event::Entered { step });
    let (mut story, mut once) = (late(6), late(7));
    for story in [&mut story, &mut once] {
        let span = Span { from: after(200), to: after(story.now - 20) };
        story.incidents.freezes = vec![Freeze { process: FIRST.process, span }];
    }
    assert_eq!(story.steps(SECOND, 6..STEPS).end(SECOND).judged().faults, [""; 0]);
    assert_only(&once.steps(SECOND, 6..STEPS).end(SECOND), "started step 7");
}
