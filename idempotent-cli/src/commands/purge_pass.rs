//! One pass of `purge --all` over the records: which are meant, and how many of them are removed at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::SystemTime;

use idempotent_core::engine::Inspection;
use idempotent_core::store::Unreadable;
use idempotent_core::{Error, Idempotency};
use tokio::task::JoinSet;

use crate::args::{Filter, StateName};
use crate::change::Audit;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Progress, grouped};
use crate::store::{Connected, Pace, Pages};

/// So many keys are shown of what is to be removed.
const EXAMPLES: usize = 3;

/// How like scopes are one of which may be meant for the other.
const NEAR: f64 = 0.9;

/// What a pass over the records found and did.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) matched: u64,
    /// In which states those are that match and are to be removed.
    pub(super) states: BTreeMap<&'static str, u64>,
    /// Their scopes.
    pub(super) scopes: HashSet<String>,
    /// When the last of them was reserved.
    pub(super) newest: Option<SystemTime>,
    /// A few of their keys.
    pub(super) keys: Vec<String>,
    pub(super) purged: u64,
    pub(super) changed: u64,
    /// Those of which the store has not said whether they are removed.
    pub(super) unanswered: u64,
    /// Records that match, but whose state is not one of those to remove.
    pub(super) kept: BTreeMap<&'static str, u64>,
    /// Records that have no scope, or do not say which.
    pub(super) without_scope: u64,
    /// Records of other scopes that begin with this one's text and a slash: those of several parts, as tenant and user.
    pub(super) longer_scope: u64,
    /// Scopes that are written nearly as the one that is asked for, a few of them.
    pub(super) near_scopes: BTreeSet<String>,
    /// What cannot be read, and may be one of them.
    pub(super) unreadable: u64,
    pub(super) is_complete: bool,
}

impl Tally {
    /// Whoever is to be forgotten is not, as long as something cannot be read.
    pub(super) const fn exit(&self) -> Exit {
        if self.unreadable > 0 { Exit::Unreadable } else { Exit::Done }
    }

    /// Counts a record that is to be removed.
    fn count_meant(&mut self, seen: &Inspection, state: &'static str) {
        *self.states.entry(state).or_default() += 1;
        if let Some(scope) = seen.scope().filter(|scope| !self.scopes.contains(*scope)) {
            self.scopes.insert(scope.to_owned());
        }
        self.newest = self.newest.max(Some(seen.created()));
        if let Some(key) = seen.key().filter(|_| self.keys.len() < EXAMPLES) {
            self.keys.push(key.to_owned());
        }
    }

    /// Counts a record of another scope.
    fn count_other(&mut self, wanted: &str, scope: Option<&str>) {
        match scope {
            None => self.without_scope += 1,
            Some(scope) => {
                let rest = scope.strip_prefix(wanted);
                self.longer_scope += u64::from(rest.is_some_and(|rest| rest.starts_with('/')));
                let is_near = scope != wanted
                    && (scope.eq_ignore_ascii_case(wanted.trim_end_matches('/'))
                        || strsim::jaro_winkler(wanted, scope) > NEAR);
                if is_near && self.near_scopes.len() < EXAMPLES {
                    self.near_scopes.insert(scope.to_owned());
                }
            }
        }
    }
}

/// Which records are meant, and how they are read.
pub(super) struct Pass<'a> {
    pub(super) store: &'a Connected,
    pub(super) filter: &'a Filter,
    pub(super) states: &'a [StateName],
    pub(super) pace: Pace,
}

impl Pass<'_> {
    /// Counts what there is to remove.
    pub(super) async fn count(&self, context: &Context) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        self.walk(context, &mut tally, None).await.map(|()| tally)
    }

    /// Removes it, at most so many, and tells how far it came, also if it fails. The audit log gets the ids first.
    pub(super) async fn remove(
        &self,
        context: &Context,
        audit: &mut Audit,
        most: u64,
    ) -> (Tally, Option<Failure>) {
        let (mut tally, mut removals) = (Tally::default(), Removals::new(self.pace, audit, most));
        let ended = self.walk(context, &mut tally, Some(&mut removals)).await;
        // What has begun is ended, so that it is known what became of it.
        let rest = removals.under_way.end(&mut tally).await;
        let failure = ended.and(rest).err();
        tally.is_complete = failure.is_none();
        (tally, failure)
    }

    async fn walk(
        &self,
        context: &Context,
        tally: &mut Tally,
        mut removals: Option<&mut Removals<'_>>,
    ) -> Result<(), Failure> {
        let progress = Progress::until_the_end(context.is_json());
        let scan = self.filter.scan();
        let mut pages = Pages::new(&self.store.engine, &context.interrupt, self.pace, scan);
        let ended = loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            };
            let now = SystemTime::now();
            let unreadable = page.unreadable.iter().filter(|it| self.may_be_meant(it));
            tally.unreadable += unreadable.count() as u64;
            let meant = page.entries.into_iter().filter(|seen| self.is_meant(seen, now, tally));
            let meant: Vec<_> = meant.collect();
            tally.matched += meant.len() as u64;
            let begun = match &mut removals {
                Some(removals) => removals.begin(self, context, meant, tally).await,
                None => Ok(()),
            };
            if begun.is_err() {
                break begun;
            }
            let matched = grouped(tally.matched);
            match removals.is_some() {
                true => {
                    progress.say(format_args!("{} of {matched} removed", grouped(tally.purged)));
                }
                false => progress.say(format_args!("{matched} to remove")),
            }
        };
        progress.clear();
        tally.is_complete = ended.is_ok();
        ended
    }

    /// Whether a record is to be removed. Counts it, if it matches and is not, or is nearly one of them.
    fn is_meant(&self, seen: &Inspection, now: SystemTime, tally: &mut Tally) -> bool {
        if let Some(scope) = &self.filter.scope {
            tally.count_other(scope, seen.scope());
        }
        if !self.filter.matches(seen, now) {
            return false;
        }
        let state = StateName::of(seen.state());
        let is_meant = state.is_some_and(|state| self.states.contains(&state));
        let state = state.map_or("unknown", StateName::as_str);
        if is_meant {
            tally.count_meant(seen, state);
        } else {
            *tally.kept.entry(state).or_default() += 1;
        }
        is_meant
    }

    /// Whether what cannot be read may be a record to remove: its scope is not known, and its operation only sometimes.
    fn may_be_meant(&self, found: &Unreadable) -> bool {
        match (&self.filter.operation, &found.id) {
            (Some(operation), Some(id)) => id.operation() == operation,
            _ => true,
        }
    }
}

/// What a pass removes, a page at a time.
struct Removals<'a> {
    audit: &'a mut Audit,
    under_way: UnderWay,
    /// How many more may begin.
    left: u64,
}

/// Removals that are under way. Each waits for the store, and most of them for the moment at which the record expires.
struct UnderWay {
    tasks: JoinSet<Result<bool, Error>>,
    at_once: usize,
}

impl<'a> Removals<'a> {
    fn new(pace: Pace, audit: &'a mut Audit, left: u64) -> Self {
        let at_once = match pace {
            Pace::Gentle => 4,
            Pace::Fast => 64,
        };
        Self { audit, under_way: UnderWay { tasks: JoinSet::new(), at_once }, left }
    }

    /// Removes these, some of which may still be under way when it returns. Once Ctrl-C is pressed, no other begins.
    async fn begin(
        &mut self,
        pass: &Pass<'_>,
        context: &Context,
        mut records: Vec<Inspection>,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let has_more = records.len() as u64 > self.left;
        records.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= records.len() as u64;
        self.audit.names(records.iter().map(|seen| seen.id().to_string()).collect())?;
        for seen in records {
            self.under_way.make_room(&context.interrupt, tally).await?;
            let engine: Idempotency = pass.store.engine.clone();
            self.under_way.tasks.spawn(async move { engine.purge_if_unchanged(&seen).await });
        }
        if has_more {
            return Err(Failure::new(
                Exit::Refused,
                "there are more than was agreed to, since others have come: those that are left stay",
            ));
        }
        Ok(())
    }
}

impl UnderWay {
    /// Waits until another removal may begin. None may once Ctrl-C is pressed, also if that was during the wait.
    async fn make_room(&mut self, interrupt: &Interrupt, tally: &mut Tally) -> Result<(), Failure> {
        while self.tasks.len() >= self.at_once && !interrupt.is_pressed() {
            self.end_one(tally).await?;
        }
        if interrupt.is_pressed() { Err(Failure::interrupted()) } else { Ok(()) }
    }

    async fn end(mut self, tally: &mut Tally) -> Result<(), Failure> {
        let mut ended = Ok(());
        while !self.tasks.is_empty() {
            ended = ended.and(self.end_one(tally).await);
        }
        ended
    }

    async fn end_one(&mut self, tally: &mut Tally) -> Result<(), Failure> {
        match self.tasks.join_next().await {
            None => {}
            Some(Ok(Ok(true))) => tally.purged += 1,
            Some(Ok(Ok(false))) => tally.changed += 1,
            Some(Ok(Err(error))) => {
                let failure = Failure::from(error);
                tally.unanswered += u64::from(failure.is_without_answer());
                return Err(failure);
            }
            Some(Err(error)) => {
                let text = format!("a record could not be removed: {error}");
                return Err(Failure::new(Exit::Failed, text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{oneshot, watch};

    use super::*;

    #[tokio::test]
    async fn no_removal_begins_if_ctrl_c_was_pressed_while_it_waited_for_another_one() {
        let (pressed, presses) = watch::channel(0);
        let (answer, answered) = oneshot::channel();
        let mut under_way = UnderWay { tasks: JoinSet::new(), at_once: 1 };
        under_way.tasks.spawn(async move { Ok(answered.await.is_ok()) });
        let (interrupt, mut tally) = (Interrupt::of(presses), Tally::default());
        let press = async {
            pressed.send_replace(1);
            answer.send(()).expect("it is awaited");
        };
        let (room, ()) = tokio::join!(biased; under_way.make_room(&interrupt, &mut tally), press);
        assert_eq!(room.expect_err("it is interrupted").exit(), Exit::Interrupted);
        assert_eq!(tally.purged, 1, "what had begun has ended");
    }
}
