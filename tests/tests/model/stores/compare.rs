//! Whether a store keeps what the model says.

use idempotent_core::model::{Record, StepEntry, StepStatus};
use idempotent_core::store::State;
use idempotent_model::paths::Move;
use idempotent_model::protocol::{self, Nonce, Once, Phase};

use super::driver::{Driver, failed};

impl Driver<'_> {
    /// Compares the record, the index and the journal with the model's.
    pub(super) async fn compare(&mut self, expected: &Move) -> Result<(), String> {
        let entry = self.load().await?;
        let (phase, token) = match &entry {
            None => (Phase::Vacant, 0),
            Some(entry) => {
                let owner = self.run_of(entry.record.token()).ok_or("a stranger has the call")?;
                self.last_of[owner] = Some(entry.record.clone());
                (phase_of(entry.state)?, owner as u8)
            }
        };
        let protocol::Record { journaled, due, .. } = expected.record;
        let token = if phase == Phase::Vacant { expected.record.token } else { token };
        if (phase, token) != (expected.record.phase, expected.record.token) {
            return Err(format!("the record is {phase:?} by {token}"));
        }
        let record = entry.map(|entry| entry.record);
        let waits = matches!(phase, Phase::Reserved | Phase::Lapsed | Phase::Indeterminate);
        let journal = record.as_ref().and_then(Record::journal);
        if waits && journal.is_some() != journaled {
            return Err(format!("that it has a journal is {}", !journaled));
        }
        if let (Phase::Reserved | Phase::Lapsed, Some(index)) = (phase, self.store.due_calls()) {
            let is_due = index.due_in(self.id).await.map_err(failed)?.is_some();
            if is_due != due {
                return Err(format!("that it is in the index is {is_due}"));
            }
        }
        self.journal = journal.unwrap_or(self.journal);
        let found = self.journal_now().await?;
        let wanted = (expected.journal.a, expected.journal.m, expected.journal.z);
        if found != wanted {
            return Err(format!("the journal is {found:?}, not {wanted:?}"));
        }
        Ok(())
    }

    async fn journal_now(&self) -> Result<(bool, Once, bool), String> {
        let steps = self.journals().load_steps(self.id, self.journal).await.map_err(failed)?;
        let of = |name: &str| {
            let wanted = self.step(name);
            steps.iter().find(|(step, _)| *step == wanted).map(|(_, entry)| entry)
        };
        let is_recorded = |name: &str| of(name).is_some();
        let nonce = |entry: &StepEntry| {
            let attempts = self.runs.iter().enumerate().flat_map(|(run, known)| {
                let nonce = move |second| Nonce { run: run as u8, second };
                known.attempts.into_iter().zip([nonce(false), nonce(true)])
            });
            let mut same = attempts.filter(|(attempt, _)| *attempt == entry.attempt());
            same.next().map(|(_, nonce)| nonce).ok_or("an attempt that nobody made")
        };
        let m = match of("m") {
            None => Once::Unknown,
            Some(entry) => match entry.status() {
                StepStatus::Begun => Once::Begun(nonce(entry)?),
                StepStatus::Tried => Once::Tried(nonce(entry)?),
                _ => Once::Recorded,
            },
        };
        Ok((is_recorded("a"), m, is_recorded("z")))
    }
}

/// A reservation that lapsed and that nobody can resume counts as vacant.
fn phase_of(state: State) -> Result<Phase, String> {
    Ok(match state {
        State::Lapsed => Phase::Vacant,
        State::Reserved => Phase::Reserved,
        State::Suspended => Phase::Lapsed,
        State::Indeterminate => Phase::Indeterminate,
        State::Completed => Phase::Completed,
        other => return Err(format!("the state is {other:?}")),
    })
}
