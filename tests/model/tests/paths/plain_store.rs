//! [`PlainStore`]: a store written as one would from its contract, and with flaws.

use std::collections::{BTreeMap, BTreeSet};

use idempotent_model::paths::{Move, Operation};
use idempotent_model::protocol::{Answer, Nonce, Once, Phase, Request};

/// What a store may do wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    WritesWithoutFence,
    LetsALateOwnerBegin,
    LetsALateBeginReplaceATriedEntry,
    RefusesToSettleLate,
    SettlesAnyAttempt,
    ReservesOverAJournal,
    ResumesWhateverIsThere,
    ReleasesOverAJournal,
    KeepsTheJournalOfACompletedCall,
    WaitsForASettledStep,
    ForgetsALapsedCallWithAnInput,
    IsNotDueOnceItIsResumed,
    StaysDueWhenItIsDeclined,
    HasRecoveryResumeWhatIsNoLongerDue,
}

impl Flaw {
    pub(crate) const ALL: [Self; 14] = [
        Self::WritesWithoutFence,
        Self::LetsALateOwnerBegin,
        Self::LetsALateBeginReplaceATriedEntry,
        Self::RefusesToSettleLate,
        Self::SettlesAnyAttempt,
        Self::ReservesOverAJournal,
        Self::ResumesWhateverIsThere,
        Self::ReleasesOverAJournal,
        Self::KeepsTheJournalOfACompletedCall,
        Self::WaitsForASettledStep,
        Self::ForgetsALapsedCallWithAnInput,
        Self::IsNotDueOnceItIsResumed,
        Self::StaysDueWhenItIsDeclined,
        Self::HasRecoveryResumeWhatIsNoLongerDue,
    ];
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reservation {
    token: u8,
    lapsed: bool,
    in_doubt: bool,
    journaled: bool,
    due: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Record {
    Reserved(Reservation),
    Completed(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    A,
    M,
    Z,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Begun(Nonce),
    Tried(Nonce),
    Recorded,
}

/// A record, its journal, and the entries that each run last saw of `m`, as an engine keeps them.
pub(crate) struct PlainStore {
    flaw: Option<Flaw>,
    /// Whether the call has an input, so that recovery can find it.
    input: bool,
    record: Option<Record>,
    journal: BTreeMap<Step, Entry>,
    known: BTreeMap<u8, Entry>,
    /// The runs of recovery.
    looked: BTreeSet<u8>,
}

impl PlainStore {
    pub(crate) fn new(flaw: Option<Flaw>, input: bool) -> Self {
        let (journal, known, looked) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { flaw, input, record: None, journal, known, looked }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn take(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Lapse => self.lapse(),
            Operation::Load { run } => {
                if let Some(entry) = self.journal.get(&Step::M) {
                    self.known.insert(run, *entry);
                }
                Answer::Nothing
            }
            Operation::Look { run } => {
                self.looked.insert(run);
                Answer::Nothing
            }
            Operation::Request { run, request, seen } => self.request(run, request, seen),
        }
    }

    fn lapse(&mut self) -> Answer {
        if let Some(Record::Reserved(reservation)) = &mut self.record {
            reservation.lapsed = true;
            let keeps_input = self.input && self.flaw != Some(Flaw::ForgetsALapsedCallWithAnInput);
            if !reservation.journaled && !keeps_input {
                self.record = None;
            }
        }
        Answer::Nothing
    }

    fn request(&mut self, run: u8, request: Request, seen: u8) -> Answer {
        match request {
            Request::Reserve => self.reserve(run),
            Request::Resume => self.resume(run, seen),
            Request::RecordA => self.write(run, Step::A, Entry::Recorded, None, false),
            Request::RecordZ => self.write(run, Step::Z, Entry::Recorded, None, false),
            Request::Begin(second) => {
                let nonce = Nonce { run, second };
                let before = if second {
                    Some(Entry::Tried(Nonce { run, second: false }))
                } else {
                    self.known.get(&run).copied()
                };
                self.write(run, Step::M, Entry::Begun(nonce), Some(before), true)
            }
            Request::Settle(second) => self.settle(Nonce { run, second }, Entry::Recorded),
            Request::TakeBack(second) => {
                let nonce = Nonce { run, second };
                self.settle(nonce, Entry::Tried(nonce))
            }
            Request::Complete => self.complete(run),
            Request::Release => self.suspend(run, self.has(Flaw::StaysDueWhenItIsDeclined)),
            Request::Suspend => self.suspend(run, true),
            Request::Vacate | Request::Due => Answer::Nothing,
        }
    }

    fn reserve(&mut self, run: u8) -> Answer {
        match self.record {
            Some(Record::Reserved(there)) if there.token == run && !there.lapsed => Answer::Won,
            Some(Record::Reserved(there))
                if there.lapsed && !there.in_doubt && there.token != run =>
            {
                if self.has(Flaw::ReservesOverAJournal) {
                    self.journal.clear();
                    self.record = Some(Record::Reserved(self.reservation(run)));
                    return Answer::Won;
                }
                Answer::Suspended { token: there.token, second_payload: false }
            }
            Some(_) => Answer::Refused,
            None => {
                self.record = Some(Record::Reserved(self.reservation(run)));
                Answer::Won
            }
        }
    }

    fn reservation(&self, token: u8) -> Reservation {
        let due = self.input;
        Reservation { token, lapsed: false, in_doubt: false, journaled: false, due }
    }

    fn resume(&mut self, run: u8, seen: u8) -> Answer {
        let Some(Record::Reserved(there)) = self.record else { return Answer::Refused };
        if !there.lapsed && there.token == run {
            return Answer::Won;
        }
        let as_seen = there.lapsed && !there.in_doubt && there.token == seen;
        let whatever = self.has(Flaw::ResumesWhateverIsThere) && there.token != run;
        let not_due = self.looked.contains(&run)
            && !there.due
            && !self.has(Flaw::HasRecoveryResumeWhatIsNoLongerDue);
        if !as_seen && !whatever || not_due {
            return Answer::Refused;
        }
        let due = self.input && !self.has(Flaw::IsNotDueOnceItIsResumed);
        let journaled = there.journaled;
        let reservation = Reservation { journaled, due, ..self.reservation(run) };
        self.record = Some(Record::Reserved(reservation));
        Answer::Won
    }

    fn write(
        &mut self,
        run: u8,
        step: Step,
        entry: Entry,
        replaces: Option<Option<Entry>>,
        begins: bool,
    ) -> Answer {
        let Some(Record::Reserved(there)) = self.record else { return Answer::Refused };
        let stands = self.journal.get(&step).copied();
        let late_begin = begins && there.lapsed && !self.has(Flaw::LetsALateOwnerBegin);
        let fenced = there.token != run || begins && there.in_doubt;
        if late_begin || fenced && !self.has(Flaw::WritesWithoutFence) {
            let replaces_tried = self.has(Flaw::LetsALateBeginReplaceATriedEntry)
                && replaces.flatten().is_some_and(|before| Some(before) == stands);
            if !replaces_tried {
                return Answer::Refused;
            }
        }
        if replaces.is_some_and(|before| before != stands) && stands != Some(entry) {
            return Answer::Refused;
        }
        self.journal.insert(step, entry);
        self.record = Some(Record::Reserved(Reservation { journaled: true, ..there }));
        Answer::Written
    }

    /// Replaces what an attempt began, whoever has the call.
    fn settle(&mut self, nonce: Nonce, entry: Entry) -> Answer {
        let Some(Record::Reserved(there)) = self.record else { return Answer::Refused };
        if there.token != nonce.run && self.has(Flaw::RefusesToSettleLate) {
            return Answer::Refused;
        }
        let matches = match self.journal.get(&Step::M) {
            Some(Entry::Begun(begun)) => *begun == nonce || self.has(Flaw::SettlesAnyAttempt),
            there => there == Some(&entry),
        };
        if matches {
            let in_doubt = there.in_doubt && self.has(Flaw::WaitsForASettledStep);
            let goes_on = there.in_doubt && !in_doubt;
            let due = there.due || goes_on && self.input;
            self.record = Some(Record::Reserved(Reservation { in_doubt, due, ..there }));
            self.journal.insert(Step::M, entry);
        }
        if matches { Answer::Written } else { Answer::Refused }
    }

    fn complete(&mut self, run: u8) -> Answer {
        let may = match self.record {
            None => true,
            Some(Record::Reserved(there)) => there.token == run,
            Some(Record::Completed(_)) => false,
        };
        if may {
            self.record = Some(Record::Completed(run));
            if !self.has(Flaw::KeepsTheJournalOfACompletedCall) {
                self.journal.clear();
            }
        }
        Answer::Nothing
    }

    fn suspend(&mut self, run: u8, due: bool) -> Answer {
        match &mut self.record {
            Some(Record::Reserved(there)) if there.token == run && !there.in_doubt => {
                let keeps = there.journaled && self.flaw != Some(Flaw::ReleasesOverAJournal);
                if keeps || self.input {
                    there.lapsed = true;
                    there.due = due && self.input;
                    there.in_doubt = matches!(self.journal.get(&Step::M), Some(Entry::Begun(_)));
                } else {
                    self.record = None;
                    self.journal.clear();
                }
            }
            _ => {}
        }
        Answer::Nothing
    }

    /// Whether the answer, the record and the journal are as the model has them.
    pub(crate) fn is_as_expected(&self, answer: Answer, expected: &Move) -> bool {
        let (phase, token) = match self.record {
            None => (Phase::Vacant, 0),
            Some(Record::Completed(token)) => (Phase::Completed, token),
            Some(Record::Reserved(there)) if there.in_doubt => (Phase::Indeterminate, there.token),
            Some(Record::Reserved(there)) if there.lapsed => (Phase::Lapsed, there.token),
            Some(Record::Reserved(there)) => (Phase::Reserved, there.token),
        };
        let m = match self.journal.get(&Step::M) {
            None => Once::Unknown,
            Some(Entry::Begun(nonce)) => Once::Begun(*nonce),
            Some(Entry::Tried(nonce)) => Once::Tried(*nonce),
            Some(Entry::Recorded) => Once::Recorded,
        };
        let is_due = match self.record {
            Some(Record::Reserved(there)) => there.due,
            _ => expected.record.due,
        };
        let (a, z) = (self.journal.contains_key(&Step::A), self.journal.contains_key(&Step::Z));
        let journal = (expected.journal.a, expected.journal.m, expected.journal.z);
        let stands = expected.answer == Answer::Stands
            && matches!(answer, Answer::Written | Answer::Refused);
        (answer == expected.answer || stands)
            && (phase, token) == (expected.record.phase, expected.record.token)
            && is_due == expected.record.due
            && (a, m, z) == journal
    }
}
