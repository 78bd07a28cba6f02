//! [`LeaseHandle`]: the owner's handle to a lease. Renewal stops when it is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::current_call::CurrentCall;
use super::engine_ref::EngineRef;
use super::lease_state::Lease;
use super::outer_call::OuterCall as _;
use super::renewal_task::RenewalTask;
use crate::engine::journal::RunJournal;
use crate::model::{Record, RecordId};

/// Keeps one reservation alive until it is dropped.
pub(in crate::engine) struct LeaseHandle {
    lease: Arc<Lease>,
    task: Arc<RenewalTask>,
}

/// What a lease knows of its call.
pub(in crate::engine) struct LeaseContext {
    pub(in crate::engine) engine: EngineRef,
    pub(in crate::engine) ttl: Duration,
    /// The call whose body makes this one.
    pub(in crate::engine) caller: Option<CurrentCall>,
}

impl LeaseHandle {
    /// Keeps a reservation alive that was first sent to the store at `sent`.
    #[inline]
    pub(in crate::engine) fn new(
        task: Arc<RenewalTask>,
        id: RecordId,
        reservation: Record,
        (duration, max_run): (Duration, Duration),
        sent: Instant,
        context: LeaseContext,
    ) -> Self {
        let LeaseContext { engine, ttl, caller } = context;
        let caller = caller.map(CurrentCall::into_outer_call);
        let due = sent + duration / 3;
        let journal = reservation.journal().map(|name| (name, reservation.clone()));
        let times = ((duration, max_run), (sent, due));
        let lease = Lease::new(id, reservation, times.0, times.1, caller, (engine, ttl));
        let lease = Arc::new(lease);
        if let Some((name, record)) = journal {
            lease.journal_or(|| RunJournal::new(name, record, true));
        }
        lease.set_slot(task.insert(Arc::clone(&lease), due));
        Self { lease, task }
    }

    pub(in crate::engine) fn id(&self) -> &RecordId {
        &self.lease.id
    }

    pub(in crate::engine) fn reservation(&self) -> &Record {
        &self.lease.reservation
    }

    /// For how long the call's result is kept.
    pub(in crate::engine) fn ttl(&self) -> Duration {
        self.lease.ttl
    }

    /// The call's journal, if it has one.
    #[inline]
    pub(in crate::engine) fn journal(&self) -> Option<&RunJournal> {
        self.lease.journal().map(|journal| &**journal)
    }

    /// Reports that the call is recorded for so long, to those whose bodies make it.
    #[inline]
    pub(in crate::engine) fn report_recorded(&self, ttl: Duration) {
        self.lease.nesting().report_recorded(&self.lease.id, ttl);
    }

    /// The task that renews it.
    pub(in crate::engine) fn renewal_task(&self) -> &RenewalTask {
        &self.task
    }

    /// The call that holds it.
    pub(in crate::engine) fn current_call(&self) -> CurrentCall {
        CurrentCall::leased(&self.lease)
    }

    /// The HTTP status of the last call that the body made and that was refused.
    pub(in crate::engine) fn refused_status(&self) -> Option<u16> {
        self.lease.nesting().refused_status()
    }

    /// How long the reservation surely holds unless it is renewed.
    pub(in crate::engine) fn remaining(&self) -> Duration {
        self.lease.remaining()
    }

    /// Marks that the body has ended and that its end is being recorded: a change that a renewal
    /// finds may then be the call's own.
    #[inline]
    pub(in crate::engine) fn set_ending(&self) {
        self.lease.set_ending();
    }

    /// Stops renewing the lease, so that it lapses.
    pub(in crate::engine) fn stop(&self) {
        self.lease.stop();
    }

    /// Whether the lease was lost while the body ran.
    pub(in crate::engine) fn is_lost(&self) -> bool {
        self.lease.is_lost()
    }
}

impl Drop for LeaseHandle {
    fn drop(&mut self) {
        // A renewal may be in progress.
        self.set_ending();
        self.task.remove(self.lease.slot());
    }
}
