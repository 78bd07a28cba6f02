//! One look at all calls and steps in doubt: which are due, what became of them, and resolving them to that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use super::doubtful::Doubtful;
use super::doubtful_step::DoubtfulStep;
use super::finding::Finding;
use super::known::{Call, Known};
use super::reconciler::{Answer, Reconciler};
use super::report::Reconciliation;
use super::subject::Subject;
use crate::engine::admin::{Inspection, PAGE_STEP_BYTES, Resolution};
use crate::engine::telemetry::Telemetry;
use crate::error::{Error, ErrorKind};
use crate::store::poll::jittered;
use crate::store::{Scan, State};

/// How many records are read at a time. Those that are found have their steps with them.
const PAGE: usize = 200;

/// A call or a step that is due.
#[derive(Debug)]
struct Due {
    seen: Arc<Inspection>,
    subject: Subject,
    call: Call,
    in_doubt_for: Duration,
}

/// Questions that are under way. Dropped with it.
#[derive(Default)]
struct Questions {
    answers: JoinSet<Finding>,
    /// What each is about: a question that panics tells nothing.
    calls: HashMap<Id, Due>,
}

impl Reconciler {
    pub(super) async fn pass_with(&self, known: &mut Known) -> Result<Reconciliation, Error> {
        let mut report = Reconciliation::default();
        known.begin_pass();
        let due = self.find(known, &mut report).await?;
        known.end_pass();
        let (mut questions, mut due) = (Questions::default(), due.into_iter());
        loop {
            while questions.calls.len() < self.concurrency {
                let Some(next) = due.next() else { break };
                self.ask(&mut questions, next);
            }
            let Some((asked, finding)) = questions.next().await else { return Ok(report) };
            report.asked += 1;
            self.settle_call(known, asked, finding, &mut report).await?;
        }
    }

    /// The calls and steps that are due, as many as the budget allows.
    async fn find(
        &self,
        known: &mut Known,
        report: &mut Reconciliation,
    ) -> Result<Vec<Due>, Error> {
        let (mut due, mut counted) = (Vec::new(), HashSet::new());
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let of_steps = self.steps.keys();
        let mut oldest: HashMap<&str, Duration> = of_steps
            .chain(self.operations.keys())
            .map(|name| (name.as_str(), Duration::ZERO))
            .collect();
        let mut scan = Scan::in_doubt().limit(PAGE);
        loop {
            let page = self.engine.scan(&scan).await?;
            for seen in page.entries {
                // A scan may return a record twice.
                if !counted.insert(*seen.id().hash()) {
                    continue;
                }
                *counts.entry(seen.operation().to_owned()).or_insert(0) += 1;
                let (subjects, seen) = (self.subjects(&seen), Arc::new(seen));
                report.of_others += u64::from(subjects.is_empty());
                for subject in subjects {
                    report.found += 1;
                    let (call, in_doubt_for) = known.see(&seen, &subject);
                    if let Some(oldest) = oldest.get_mut(seen.operation()) {
                        *oldest = (*oldest).max(in_doubt_for);
                    }
                    if in_doubt_for < self.settle_time(&seen) {
                        report.settling += 1;
                    } else if call.next.is_some_and(|next| Instant::now() < next) {
                        report.waiting += 1;
                    } else {
                        due.push(Due { seen: Arc::clone(&seen), subject, call, in_doubt_for });
                    }
                }
            }
            // At most one page more than the budget is in memory, and the budget is a page.
            report.over_budget += self.keep_within_budget(&mut due);
            match page.next {
                Some(next) => scan = scan.after(next),
                None => break,
            }
        }
        self.engine.report_indeterminate(&counts);
        for (operation, oldest) in &oldest {
            Telemetry::oldest_in_doubt(operation, *oldest);
        }
        report.oldest = oldest.into_values().max().filter(|oldest| !oldest.is_zero());
        Ok(due)
    }

    /// Those first that were asked about least often, and of these the oldest, as long as the steps of their calls fit into a
    /// page. Returns how many were dropped.
    fn keep_within_budget(&self, due: &mut Vec<Due>) -> u64 {
        due.sort_by_key(|due| (due.call.asked, std::cmp::Reverse(due.in_doubt_for)));
        let (mut held, mut bytes) = (HashSet::new(), 0);
        let fit = due.iter().take(self.asks_per_pass).take_while(|due| {
            let has_room = bytes < PAGE_STEP_BYTES;
            let is_new = has_room && held.insert(*due.seen.id().hash());
            if is_new {
                bytes += due.seen.step_bytes();
            }
            has_room || held.contains(due.seen.id().hash())
        });
        let fit = fit.count();
        let dropped = due.len() - fit;
        due.truncate(fit);
        dropped as u64
    }

    fn settle_time(&self, seen: &Inspection) -> Duration {
        self.settle.max(seen.lease())
    }

    /// What is asked about of a call in doubt: those of its steps that are, or the call itself.
    fn subjects(&self, seen: &Inspection) -> Vec<Subject> {
        if let Some(steps) = self.steps.get(seen.operation()) {
            let doubts =
                seen.steps_in_doubt().filter(|(_, entry)| steps.contains_key(entry.name()));
            let doubts = doubts.map(|(step, entry)| Subject::Step(*step, entry.clone()));
            let doubts: Vec<Subject> = doubts.collect();
            if !doubts.is_empty() {
                return doubts;
            }
        }
        let is_call =
            seen.state() == State::Indeterminate && self.operations.contains_key(seen.operation());
        if is_call { vec![Subject::Call] } else { Vec::new() }
    }

    fn ask(&self, questions: &mut Questions, due: Due) {
        let Some(answer) = self.question(&due) else { return };
        let limit = self.ask_timeout;
        let task = questions
            .answers
            .spawn(async move { timeout(limit, answer()).await.unwrap_or(Finding::Unknown) });
        questions.calls.insert(task.id(), due);
    }

    /// Asks once it is called, in a task, since it may panic.
    fn question(&self, due: &Due) -> Option<Box<dyn FnOnce() -> Answer + Send>> {
        let (seen, asked, in_doubt_for) = (Arc::clone(&due.seen), due.call.asked, due.in_doubt_for);
        match &due.subject {
            Subject::Call => {
                let ask = Arc::clone(self.operations.get(seen.operation())?);
                Some(Box::new(move || ask(Doubtful { seen, asked, in_doubt_for })))
            }
            Subject::Step(step, entry) => {
                let ask = self.steps.get(seen.operation())?.get(entry.name())?;
                let (ask, step, entry) = (Arc::clone(ask), *step, entry.clone());
                Some(Box::new(move || ask(DoubtfulStep { seen, step, entry, asked, in_doubt_for })))
            }
        }
    }

    /// Makes of an answer what is to be made of it.
    async fn settle_call(
        &self,
        known: &mut Known,
        due: Due,
        finding: Finding,
        report: &mut Reconciliation,
    ) -> Result<(), Error> {
        let Due { seen, subject, mut call, .. } = due;
        let name = subject.name(&seen);
        call.asked = call.asked.saturating_add(1);
        let now = Instant::now();
        let settle = self.settle_time(&seen);
        let resolution = match believed(&seen, &subject, finding) {
            Finding::Ended(resolution) if !resolution.says_never_happened() => resolution,
            Finding::Ended(_) | Finding::NeverHappened => match call.never_at {
                Some(first) if now.duration_since(first) >= settle => {
                    Resolution::never_happened_and_owner_is_dead()
                }
                first => {
                    call.never_at = Some(first.unwrap_or(now));
                    call.next = call.never_at.and_then(|first| first.checked_add(settle));
                    report.never_once += u64::from(first.is_none());
                    self.count(&seen, "never_once");
                    known.remember(name, call);
                    return Ok(());
                }
            },
            Finding::Unknown => {
                call.next = now.checked_add(jittered(self.backoff.ceiling(call.asked)));
                report.unknown += 1;
                self.count(&seen, "unknown");
                known.remember(name, call);
                return Ok(());
            }
        };
        let never_happened = resolution.says_never_happened();
        let resolved = match self.is_dry {
            true => Ok(()),
            false => subject.resolve(&self.engine, &seen, resolution).await,
        };
        match resolved {
            Ok(()) if never_happened => {
                report.never_happened += 1;
                self.count(&seen, "never_happened");
            }
            Ok(()) => {
                report.ended += 1;
                self.count(&seen, "ended");
            }
            // Its late owner was first, or an operator, or another reconciler.
            Err(error)
                if matches!(error.kind(), ErrorKind::InProgress | ErrorKind::Indeterminate) =>
            {
                report.changed += 1;
                self.count(&seen, "changed");
            }
            Err(error) if error.kind() == ErrorKind::Store => return Err(error),
            Err(error) => {
                Telemetry::reconciliation_refused(seen.id(), &error);
                report.refused += 1;
                self.count(&seen, "refused");
                call.next = now.checked_add(self.backoff.longest);
                known.remember(name, call);
                return Ok(());
            }
        }
        if self.is_dry {
            call.next = now.checked_add(self.backoff.longest);
            known.remember(name, call);
        } else {
            known.forget(&name);
        }
        Ok(())
    }

    fn count(&self, seen: &Inspection, outcome: &'static str) {
        Telemetry::reconciled(seen.id(), outcome, self.is_dry);
    }
}

/// What an answer is worth.
fn believed(seen: &Inspection, subject: &Subject, finding: Finding) -> Finding {
    let is_never = match &finding {
        Finding::Ended(resolution) => resolution.says_never_happened(),
        Finding::NeverHappened => true,
        Finding::Unknown => false,
    };
    if is_never && subject.ignores_never(seen) { Finding::Unknown } else { finding }
}

impl Questions {
    /// The next answer; `None` if no question is under way.
    async fn next(&mut self) -> Option<(Due, Finding)> {
        loop {
            let (id, finding) = match self.answers.join_next_with_id().await? {
                Ok((id, finding)) => (id, finding),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a question about a call in doubt panicked"
                    );
                    (error.id(), Finding::Unknown)
                }
            };
            if let Some(due) = self.calls.remove(&id) {
                return Some((due, finding));
            }
        }
    }
}
