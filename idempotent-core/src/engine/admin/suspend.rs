//! Saying of a call with steps that another run may resume it.

use super::inspect::Inspection;
use super::moved_on::moved_on;
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, StepStatus, Token};
use crate::store::{Journal, State, Suspend};

impl Idempotency {
    /// Suspends a call that was inspected. Steps in doubt did not happen.
    pub(super) async fn make_resumable(
        &self,
        seen: &Inspection,
        journal: Token,
    ) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let store = self.journals(seen)?;
        let steps = self.admin_call(id, store.load_steps(id, journal)).await?;
        let mut settles = Vec::new();
        for (step, entry) in steps {
            if entry.status() == StepStatus::Begun {
                let taken_back = entry.taken_back();
                let taken_back = match self.0.authenticity.sealing_key() {
                    Some(key) => taken_back.sealed(journal, &step, key),
                    None => taken_back,
                };
                settles.push((step, entry, taken_back));
            }
        }
        let suspended = record.with_guarantee(Guarantee::AtLeastOnce).abandoned();
        let suspended = self.seal(id, &suspended);
        let request = Suspend::new(id, record, &suspended).settling(&settles);
        self.admin_call(id, store.suspend(&request)).await?;
        match self.inspect(id).await? {
            Some(now) if now.state() == State::Suspended => Ok(()),
            now => Err(moved_on(seen, now.as_ref().map(|now| &now.entry))),
        }
    }

    /// Ends the lease of a call that was inspected.
    pub(super) async fn end_lease(&self, seen: &Inspection) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let suspended = self.seal(id, &record.abandoned());
        let request = Suspend::new(id, record, &suspended);
        self.admin_call(id, self.journals(seen)?.suspend(&request)).await
    }

    fn journals(&self, seen: &Inspection) -> Result<&dyn Journal, Error> {
        self.store().journal().ok_or_else(|| {
            Error::of(ErrorKind::Misconfigured, &seen.id).detail("its store keeps no journals")
        })
    }
}
