//! The task that renews every live reservation of one engine on one runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::lease_state::{Due, Lease};
use crate::engine::runtime::{is_current, offer_to_other_workers};
use crate::engine::telemetry::{Telemetry, Transition};
use crate::store::{
    Release, Renew, RenewOutcome, Reserve, ReserveOutcome, State, Store, StoreError,
};

/// How many renewals run at once.
const CONCURRENT_RENEWALS: usize = 64;

/// The store in which leases are renewed. The engine owns it, so a task renews nothing once the
/// engine is gone.
pub(super) struct RenewalStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) timeout: Duration,
}

/// Renews the leases of one engine on one runtime.
pub(in crate::engine) struct RenewalTask {
    runtime: Handle,
    store: Weak<RenewalStore>,
    leases: Mutex<Leases>,
    woken: Notify,
    /// Set once the engine is gone.
    closed: AtomicBool,
    renewals: Arc<Semaphore>,
}

#[derive(Default)]
struct Leases {
    slots: Vec<Option<Arc<Lease>>>,
    free_slots: Vec<usize>,
    /// When the task next checks its leases; `None` while there is nothing to renew.
    next_look: Option<Instant>,
}

impl Leases {
    fn insert(&mut self, lease: Arc<Lease>) -> usize {
        match self.free_slots.pop() {
            Some(slot) => {
                self.slots[slot] = Some(lease);
                slot
            }
            None => {
                self.slots.push(Some(lease));
                self.slots.len() - 1
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.free_slots.push(slot);
    }
}

impl RenewalTask {
    pub(super) fn new(runtime: Handle, store: Weak<RenewalStore>) -> Self {
        Self {
            runtime,
            store,
            leases: Mutex::default(),
            woken: Notify::new(),
            closed: AtomicBool::new(false),
            renewals: Arc::new(Semaphore::new(CONCURRENT_RENEWALS)),
        }
    }

    /// Whether this task belongs to the current runtime, which then has a timer.
    pub(in crate::engine) fn is_on_current_runtime(&self) -> bool {
        is_current(&self.runtime)
    }

    /// Ends the task: its engine is gone.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// Renews a lease, for the first time at `due`, until its slot is [removed](Self::remove).
    pub(super) fn insert(&self, lease: Arc<Lease>, due: Instant) -> usize {
        let mut leases = self.leases();
        let slot = leases.insert(lease);
        let looks_too_late = leases.next_look.is_none_or(|next| due < next);
        if looks_too_late {
            leases.next_look = Some(due);
        }
        drop(leases);
        if looks_too_late {
            self.woken.notify_one();
            offer_to_other_workers(&self.runtime);
        }
        slot
    }

    pub(super) fn remove(&self, slot: usize) {
        self.leases().remove(slot);
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn run(self: Arc<Self>) {
        let mut expected = None;
        while !self.closed.load(Ordering::Acquire) {
            let (due, next_look) = self.take_due();
            note_if_late(expected, &due);
            expected = next_look;
            for lease in due {
                self.runtime.spawn(Arc::clone(&self).renew(lease));
            }
            match next_look {
                None => self.woken.notified().await,
                // Whether woken early or on time, the task checks again.
                Some(at) => drop(timeout_at(at, self.woken.notified()).await),
            }
        }
    }

    /// Takes the leases that are due, and returns when the next one will be.
    fn take_due(&self) -> (Vec<Arc<Lease>>, Option<Instant>) {
        let now = Instant::now();
        let mut leases = self.leases();
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for lease in leases.slots.iter().flatten() {
            match lease.take_due(now) {
                Due::Now => due.push(Arc::clone(lease)),
                Due::At(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Due::Never => {}
            }
        }
        leases.next_look = next;
        (due, next)
    }

    /// Renews one lease, and wakes the task if another renewal is scheduled.
    async fn renew(self: Arc<Self>, lease: Arc<Lease>) {
        let permit = Arc::clone(&self.renewals).acquire_owned();
        let permit = match (lease.is_lost(), lease.remaining()) {
            (false, remaining) if !remaining.is_zero() => timeout(remaining, permit).await,
            // It is too late already, however long this takes.
            _ => Ok(permit.await),
        };
        let _permit = match permit {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return,
            // Others wait for the store as well.
            Err(_) => {
                lease.failed();
                return self.wake_if_due(&lease);
            }
        };
        let Some(renewal_store) = self.store.upgrade() else {
            return;
        };
        if lease.is_lost() {
            look(&renewal_store, &lease).await;
            return self.wake_if_due(&lease);
        }
        let sent = Instant::now();
        let limit = lease.remaining().min(renewal_store.timeout).max(Duration::from_millis(1));
        let timer = Telemetry::store_call(Transition::Renew);
        let request = Renew::new(&lease.id, &lease.reservation, lease.duration);
        let answer = timeout(limit, renewal_store.store.renew(&request)).await;
        let answer = answer.unwrap_or_else(|_| Err(StoreError::timed_out()));
        timer.stop(answer.as_ref().err());
        match answer {
            Ok(RenewOutcome::Renewed) => lease.renewed(sent),
            Ok(RenewOutcome::Lost) if lease.is_followed() && !lease.is_ending() => {
                look(&renewal_store, &lease).await;
            }
            Ok(RenewOutcome::Lost) => lease.was_taken(),
            Err(_) => lease.failed(),
        }
        drop(renewal_store);
        self.wake_if_due(&lease);
    }

    fn wake_if_due(&self, lease: &Lease) {
        if lease.is_due() {
            self.woken.notify_one();
        }
    }
}

/// Finds out who has the key of a lease that is lost: a store that has lost its records says the same as one where
/// another call has taken it.
async fn look(renewal_store: &RenewalStore, lease: &Lease) {
    let RenewalStore { store, timeout: limit } = renewal_store;
    let timer = Telemetry::store_call(Transition::Look);
    let answer = timeout(*limit, store.load(&lease.id)).await;
    let answer = answer.unwrap_or_else(|_| Err(StoreError::timed_out()));
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(Some(entry)) if entry.record.token() != lease.reservation.token() => lease.was_taken(),
        Ok(entry) => {
            lease.was_forgotten();
            match entry.map(|entry| entry.state) {
                _ if !lease.may_be_retaken() => {}
                None | Some(State::Lapsed) => retake(renewal_store, lease).await,
                // It was retaken without an answer, or the store has it again.
                Some(State::Reserved) => keep(renewal_store, lease).await,
                Some(_) => {}
            }
            // Not before: a look that began meanwhile would lose what is retaken.
            if lease.is_lost() {
                lease.look_later();
            }
        }
        Err(_) => lease.was_not_found_out(),
    }
}

/// Reserves a vacant key again, so that no other call runs beside this one.
async fn retake(renewal_store: &RenewalStore, lease: &Lease) {
    let RenewalStore { store, timeout: limit } = renewal_store;
    let request = Reserve::again(&lease.id, &lease.reservation, lease.duration);
    let timer = Telemetry::store_call(Transition::Reserve);
    let sent = Instant::now();
    let answer = timeout(*limit, store.reserve(&request)).await;
    let answer = answer.unwrap_or_else(|_| Err(StoreError::timed_out()));
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(ReserveOutcome::Won) if lease.is_ending() => {
            // The key's release may have come first, and then nobody would end this. A result ends it yet.
            if lease.is_stopped() {
                let release = Release::new(&lease.id, &lease.reservation);
                drop(timeout(*limit, store.release(&release)).await);
            }
        }
        Ok(ReserveOutcome::Won) => lease.retaken(sent),
        // Another look follows.
        Ok(_) | Err(_) => {}
    }
}

/// Renews a reservation that was given up for lost and stands in the store.
async fn keep(renewal_store: &RenewalStore, lease: &Lease) {
    let RenewalStore { store, timeout: limit } = renewal_store;
    let request = Renew::new(&lease.id, &lease.reservation, lease.duration);
    let timer = Telemetry::store_call(Transition::Renew);
    let sent = Instant::now();
    let answer = timeout(*limit, store.renew(&request)).await;
    let answer = answer.unwrap_or_else(|_| Err(StoreError::timed_out()));
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(RenewOutcome::Renewed) if !lease.is_ending() => lease.retaken(sent),
        // Another look follows, unless its body has ended.
        Ok(_) | Err(_) => {}
    }
}

/// Logs that the task was woken so late that a lease may lapse before it is renewed: its runtime is starved, or
/// somebody blocks its threads.
fn note_if_late(expected: Option<Instant>, due: &[Arc<Lease>]) {
    let (Some(at), Some(shortest)) = (expected, due.iter().map(|lease| lease.duration).min())
    else {
        return;
    };
    let late = at.elapsed();
    // A lease is renewed after a third of its time, so it has two thirds left.
    if late > shortest / 3 {
        Telemetry::late_renewals(late, due.len());
    }
}
