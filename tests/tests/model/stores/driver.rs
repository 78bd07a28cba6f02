//! [`Driver`]: does to a store what a path says.

use std::time::Duration;

use idempotent_core::model::{Envelope, Record, RecordId, StepEntry, StepId, StepStatus, Token};
use idempotent_core::store::{
    Complete, Due, Entry, Journal, Renew, RenewOutcome, Replaces, Reserve, ReserveOutcome, Resume,
    ResumeOutcome, State, Store, Suspend, WithoutJournal, WriteStep, WriteStepOutcome,
};
use idempotent_core::testing::ManualClock;
use idempotent_model::paths::{Move, Operation, StorePath};
use idempotent_model::protocol::{Answer, Phase, RUNS, Request};

use super::entries::entry;

/// Longer than any path takes.
const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const INPUT: &[u8] = b"the input";

/// How a lease ends.
#[derive(Clone)]
pub(crate) enum Lapsing {
    /// By the store's clock.
    ByClock(ManualClock),
    /// Its owner renews it for a moment, and that passes. By then the owner may not know of its journal.
    ByRenewal,
}

/// How a path goes on in a store.
#[derive(PartialEq, Eq)]
enum Then {
    AsInTheModel,
    /// It kept a lapsed reservation that the model takes for vacant, and has let its late owner record a step. Nobody had taken
    /// the call, so it may.
    GoesItsOwnWay,
}

/// One call in a store.
pub(super) struct Driver<'a> {
    pub(super) store: &'a dyn Store,
    lapsing: Lapsing,
    pub(super) id: &'a RecordId,
    envelope: Envelope<'a>,
    pub(super) runs: [Run<'a>; RUNS],
    /// The record that each run was last seen to have.
    pub(super) last_of: [Option<Record>; RUNS],
    /// What the journal was called last.
    pub(super) journal: Token,
}

/// What a process knows of its run.
pub(super) struct Run<'a> {
    reserve: Reserve<'a>,
    /// The reservation that it made of a suspended call.
    resumed: Option<Record>,
    /// The suspended call that its recovery found.
    found: Option<Record>,
    /// What it knows of `m`.
    known: Option<StepEntry>,
    has_written: bool,
    pub(super) attempts: [Token; 2],
}

impl Run<'_> {
    fn token(&self) -> Token {
        self.reserve.token()
    }

    fn reservation(&self) -> &Record {
        self.resumed.as_ref().unwrap_or_else(|| self.reserve.record())
    }

    fn journal(&self) -> Token {
        self.reservation().journal().unwrap_or_else(|| self.token())
    }

    fn journaled(&self) -> Record {
        self.reservation().with_journal(self.journal(), RETENTION)
    }
}

/// Takes a path in a store, and says how many moves of it were compared, or where it goes wrong.
pub(crate) async fn drive(
    store: &dyn Store,
    lapsing: Lapsing,
    path: &StorePath,
    number: usize,
    has_input: bool,
) -> Result<usize, String> {
    // A name of its own, so that what is due is its own, too.
    let operation = format!("path{number}");
    let id = RecordId::of(operation.clone(), None, &"call").map_err(|error| error.to_string())?;
    let envelope = Envelope::new(&operation).lease(LEASE).retention(RETENTION);
    let envelope = if has_input { envelope.input(INPUT) } else { envelope };
    let mut driver = Driver::new(store, lapsing, &id, envelope);
    let mut compared = 0;
    for (at, expected) in path.moves.iter().enumerate() {
        let wrong = |what: String| format!("path {number}, move {}: {what}\n{path}", at + 1);
        if driver.take(expected).await.map_err(wrong)? == Then::GoesItsOwnWay {
            break;
        }
        driver.compare(expected).await.map_err(wrong)?;
        compared += 1;
    }
    store.purge(&id).await.map(|_| compared).map_err(|error| error.to_string())
}

/// Whether it records a step *at least once*.
const fn records(expected: &Move) -> bool {
    let Operation::Request { request, .. } = expected.operation else { return false };
    matches!(request, Request::RecordA | Request::RecordZ)
}

pub(super) fn failed(error: impl std::fmt::Debug) -> String {
    format!("the store fails: {error:?}")
}

impl<'a> Driver<'a> {
    fn new(
        store: &'a dyn Store,
        lapsing: Lapsing,
        id: &'a RecordId,
        envelope: Envelope<'a>,
    ) -> Self {
        let run = |_| Run {
            reserve: Reserve::new(id, envelope),
            resumed: None,
            found: None,
            known: None,
            has_written: false,
            attempts: [Token::random(), Token::random()],
        };
        let runs: [Run<'a>; RUNS] = std::array::from_fn(run);
        let journal = runs[0].token();
        Self { store, lapsing, id, envelope, runs, last_of: [const { None }; RUNS], journal }
    }

    pub(super) fn journals(&self) -> &'a dyn Journal {
        self.store.journal().unwrap_or_else(|| panic!("the store keeps journals"))
    }

    pub(super) async fn load(&self) -> Result<Option<Entry>, String> {
        self.store.load(self.id).await.map_err(failed)
    }

    async fn take(&mut self, expected: &Move) -> Result<Then, String> {
        let is_kept = self.load().await?.is_some_and(|entry| entry.state == State::Lapsed);
        let answer = match expected.operation {
            Operation::Lapse => self.lapse(expected).await?,
            Operation::Load { run } => self.read_journal(run).await?,
            Operation::Look { run } => self.look(run).await?,
            Operation::Request { run, request, seen } => {
                self.request(run, request, seen, expected).await?
            }
        };
        let stands = expected.answer == Answer::Stands
            && matches!(answer, Answer::Written | Answer::Refused);
        if answer == expected.answer || stands {
            return Ok(Then::AsInTheModel);
        }
        if is_kept && records(expected) && answer == Answer::Written {
            return Ok(Then::GoesItsOwnWay);
        }
        Err(format!("it answers {answer:?}"))
    }

    async fn lapse(&mut self, expected: &Move) -> Result<Answer, String> {
        if let Lapsing::ByClock(clock) = &self.lapsing {
            clock.advance(LEASE + Duration::from_millis(1));
            return Ok(Answer::Nothing);
        }
        let Some(before) = self.load().await? else { return Err("there is no lease".to_owned()) };
        let owner = self.run_of(before.record.token()).ok_or("nobody has the lease")?;
        // As it was before its first step, as far as this request knows.
        let renew = Renew::new(self.id, self.runs[owner].reservation(), Duration::from_millis(1));
        let renewed = self.store.renew(&renew).await.map_err(failed)?;
        if renewed != RenewOutcome::Renewed {
            return Err(format!("a renewal before {:?} is {renewed:?}", expected.record.phase));
        }
        while self.load().await?.is_some_and(|entry| entry.state == State::Reserved) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Answer::Nothing)
    }

    async fn read_journal(&mut self, run: u8) -> Result<Answer, String> {
        let (at, m) = (usize::from(run), self.step("m"));
        let name = self.runs[at].journal();
        let steps = self.journals().load_steps(self.id, name).await.map_err(failed)?;
        let found = steps.into_iter().find(|(step, _)| *step == m).map(|(_, entry)| entry);
        if let Some(entry) = found {
            self.runs[at].known = Some(entry);
        }
        Ok(Answer::Nothing)
    }

    /// Finds the call as recovery does.
    async fn look(&mut self, run: u8) -> Result<Answer, String> {
        let index = self.store.due_calls().ok_or("the store has no index")?;
        let record = match &self.lapsing {
            Lapsing::ByClock(clock) => {
                // A pause may be over since.
                clock.advance(Duration::from_millis(1));
                let operations = [self.id.operation()];
                let due = index.due(&Due::new(&operations, 2)).await.map_err(failed)?;
                match &due[..] {
                    [call] if call.id == *self.id => call.entry.record.clone(),
                    due => return Err(format!("not this call alone is due: {due:?}")),
                }
            }
            Lapsing::ByRenewal => {
                let due = index.due_in(self.id).await.map_err(failed)?;
                let entry = self.load().await?.ok_or("there is nothing to be found")?;
                due.map(|_| entry.record).ok_or("it is not in the index")?
            }
        };
        self.runs[usize::from(run)].found = Some(record);
        Ok(Answer::Nothing)
    }

    async fn request(
        &mut self,
        run: u8,
        request: Request,
        seen: u8,
        expected: &Move,
    ) -> Result<Answer, String> {
        let at = usize::from(run);
        match request {
            Request::Reserve => self.reserve(at).await,
            Request::Resume => self.resume(at, usize::from(seen)).await,
            Request::RecordA | Request::RecordZ => {
                let name = if request == Request::RecordA { "a" } else { "z" };
                let recorded = entry(StepStatus::Recorded, self.runs[at].attempts[0]);
                self.write(at, name, &recorded, Replaces::Anything, false).await
            }
            Request::Begin(second) => {
                let before = match second {
                    true => Some(entry(StepStatus::Tried, self.runs[at].attempts[0])),
                    false => self.runs[at].known.clone(),
                };
                let replaces = before.as_ref().map_or(Replaces::Nothing, Replaces::Entry);
                let begun = self.attempt(at, StepStatus::Begun, second);
                self.write(at, "m", &begun, replaces, true).await
            }
            Request::Settle(second) => self.settle(at, StepStatus::Recorded, second).await,
            Request::TakeBack(second) => self.settle(at, StepStatus::Tried, second).await,
            Request::Complete => self.complete(at).await,
            Request::Release => self.suspend(at, None, expected).await,
            Request::Suspend => self.suspend(at, Some(Duration::ZERO), expected).await,
            Request::Vacate | Request::Due => Err(format!("no store does {request}")),
        }
    }

    async fn reserve(&mut self, at: usize) -> Result<Answer, String> {
        let token = self.runs[at].token();
        match self.store.reserve(&self.runs[at].reserve).await.map_err(failed)? {
            ReserveOutcome::Won => Ok(Answer::Won),
            ReserveOutcome::Taken(Entry { state: State::Suspended, record, .. })
                if record.token() != token =>
            {
                let owner = self.run_of(record.token()).ok_or("a stranger has the call")?;
                Ok(Answer::Suspended { token: owner as u8, second_payload: false })
            }
            _ => Ok(Answer::Refused),
        }
    }

    async fn resume(&mut self, at: usize, seen: usize) -> Result<Answer, String> {
        let now = self.load().await?.map(|entry| entry.record);
        let of_seen = |record: &Record| record.token() == self.runs[seen].token();
        let seen = match (&self.runs[at].found, now.filter(of_seen)) {
            // Ended by its owner since recovery looked.
            (Some(found), Some(now)) if found.owner_state() != now.owner_state() => found.clone(),
            (_, Some(now)) => now,
            (Some(found), None) => found.clone(),
            (None, None) => {
                let last = self.last_of[seen].as_ref();
                last.unwrap_or_else(|| self.runs[seen].reservation()).clone()
            }
        };
        let reservation = Record::reserved(&self.envelope, self.runs[at].token());
        let record = match seen.journal() {
            Some(journal) => reservation.with_journal(journal, RETENTION),
            None => reservation,
        };
        let request = Resume::new(self.id, &seen, &record, LEASE);
        match self.journals().resume(&request).await.map_err(failed)? {
            ResumeOutcome::Won => {
                self.runs[at].resumed.get_or_insert(record);
                Ok(Answer::Won)
            }
            _ => Ok(Answer::Refused),
        }
    }

    async fn write(
        &mut self,
        at: usize,
        name: &str,
        entry: &StepEntry,
        replaces: Replaces<'_>,
        begins: bool,
    ) -> Result<Answer, String> {
        let (record, step) = (self.runs[at].journaled(), self.step(name));
        self.runs[at].has_written = true;
        let request = WriteStep::new(self.id, &record, &step, entry).replacing(replaces);
        let request = if begins { request.beginning() } else { request };
        match self.journals().write_step(&request).await.map_err(failed)? {
            WriteStepOutcome::Written => Ok(Answer::Written),
            _ => Ok(Answer::Refused),
        }
    }

    /// Says what became of what an attempt began.
    async fn settle(
        &mut self,
        at: usize,
        status: StepStatus,
        second: bool,
    ) -> Result<Answer, String> {
        let begun = self.attempt(at, StepStatus::Begun, second);
        let settled = self.attempt(at, status, second);
        self.write(at, "m", &settled, Replaces::Entry(&begun), false).await
    }

    async fn complete(&mut self, at: usize) -> Result<Answer, String> {
        let run = &self.runs[at];
        let reservation = if run.has_written { run.journaled() } else { run.reservation().clone() };
        let record = reservation.completed(b"result");
        let request = Complete::new(self.id, &reservation, &record, RETENTION);
        self.store.complete(&request).await.map_err(failed)?;
        Ok(Answer::Nothing)
    }

    /// Ends a run; in doubt, if it is to be so after that.
    async fn suspend(
        &mut self,
        at: usize,
        due_in: Option<Duration>,
        expected: &Move,
    ) -> Result<Answer, String> {
        let run = &self.runs[at];
        let ended = Record::reserved(&self.envelope, run.token());
        let plain = ended.abandoned();
        let journaled = ended.with_journal(run.journal(), RETENTION).abandoned();
        // A run that was declined thinks of no step as in doubt. Of any other it is the store's to say.
        let may_wait = due_in.is_some() || expected.record.phase == Phase::Indeterminate;
        let journaled = if may_wait { journaled.waiting_for_steps() } else { journaled };
        let suspended = if expected.record.journaled { &journaled } else { &plain };
        let otherwise = match plain.has_input() {
            true => WithoutJournal::Abandon(&plain),
            false => WithoutJournal::Release,
        };
        let request = Suspend::new(self.id, run.reservation(), suspended);
        let request = request.otherwise(otherwise).due_in(due_in);
        self.journals().suspend(&request).await.map_err(failed)?;
        Ok(Answer::Nothing)
    }

    fn attempt(&self, at: usize, status: StepStatus, second: bool) -> StepEntry {
        entry(status, self.runs[at].attempts[usize::from(second)])
    }

    pub(super) fn step(&self, name: &str) -> StepId {
        StepId::of_call(self.id).step(name, None)
    }

    pub(super) fn run_of(&self, token: Token) -> Option<usize> {
        self.runs.iter().position(|run| run.token() == token)
    }
}
