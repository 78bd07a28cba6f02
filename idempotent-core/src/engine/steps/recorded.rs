//! [`RecordedStep`]: a step that has run already, and what ends a run whose code cannot have its result.

use super::refusal;
use crate::engine::idempotency::Idempotency;
use crate::engine::journal::{Poison, label};
use crate::engine::lease::CurrentCall;
use crate::error::{Error, ErrorKind};
use crate::model::{Fingerprint, StepEntry, StepStatus};

/// A step that is recorded, with its result.
pub(crate) struct RecordedStep {
    entry: StepEntry,
    /// The call or the step around it.
    caller: CurrentCall,
}

impl RecordedStep {
    /// What a recorded step returns, unless it is another one by now.
    pub(super) fn checked(
        entry: StepEntry,
        caller: CurrentCall,
        fingerprint: Option<Fingerprint>,
        (oldest, newest): (u32, u32),
    ) -> Result<Self, Error> {
        let this = Self { entry, caller };
        let version = this.entry.version();
        if !(oldest..=newest).contains(&version) {
            let why = format!(
                "it is recorded in version {version}, and this code reads versions {oldest} to {newest}"
            );
            return Err(this.lost(ErrorKind::Incompatible, &why));
        }
        if this.entry.fingerprint() != fingerprint {
            return Err(this.lost(ErrorKind::Incompatible, "it is recorded with another payload"));
        }
        if let StepStatus::NotKept(why) = this.entry.status() {
            return Err(this.lost(ErrorKind::Decode, why.as_str()));
        }
        Ok(this)
    }

    /// The encoded result.
    pub(crate) fn result(&self) -> &[u8] {
        self.entry.result()
    }

    /// The error of a result that this code cannot read: the run ends, and the call waits for code that can.
    pub(crate) fn unreadable(&self, why: &str) -> Error {
        self.lost(ErrorKind::Decode, why)
    }

    /// Ends the run because of a step that has run, and whose result this code cannot have: to a body it would look like
    /// one that failed.
    #[cold]
    fn lost(&self, kind: ErrorKind, why: &str) -> Error {
        let why = format!(
            "it has run, and its result cannot be given to this code: {why}; deploy the code that began the call, or \
             finish it by hand"
        );
        let id = self.caller.record_id();
        let Some((lease, outer)) = self.caller.steps() else {
            return refusal::of(kind, id, self.entry.name(), &why);
        };
        let redacts =
            Idempotency::from_ref(&lease.engine).is_none_or(|it| it.settings().redact_keys);
        let key = self.entry.key().filter(|_| !redacts);
        let error = refusal::of(kind, id, &label(self.entry.name(), key), &why);
        let poison = Poison::new(kind, error.why().to_owned());
        match (outer, lease.journal()) {
            (Some(outer), _) => outer.poison(poison),
            (None, Some(journal)) => journal.poison(poison),
            (None, None) => {}
        }
        error
    }
}
