//! The loop of a recovery: it asks which calls are due, and resumes them, so many at once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tracing::Instrument;

use super::rotation::Rotation;
use super::run::resume;
use super::state::{Resumed, Worker};
use crate::engine::telemetry::{Telemetry, Transition};
use crate::store::{Due, DueCall, DueCalls, StoreError, StoreErrorKind};

impl Worker {
    /// Resumes calls until it is told to stop, and then waits for those that run.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let mut runs = JoinSet::new();
        let mut rotation = Rotation::new(worker.parts());
        while !is_stopped(&stopped) {
            let free = worker.concurrency - runs.len();
            let due = if free == 0 { Vec::new() } else { worker.due(free, &mut rotation).await };
            // It may have been told meanwhile.
            if is_stopped(&stopped) {
                break;
            }
            let found = due.len();
            for call in due {
                let one = resume(Arc::clone(&worker), call);
                runs.spawn(one.in_current_span());
            }
            // With more to do than it may do at once, it goes on as soon as something ends.
            let mut is_full = found == free;
            let mut pause = pin!(sleep(jittered(worker.poll_every)));
            while let Woken::ByAnEnd(is_taken) =
                woken(&mut stopped, pause.as_mut(), &mut runs).await
            {
                is_full &= is_taken;
                if is_full {
                    break;
                }
            }
        }
        while runs.join_next().await.is_some() {}
    }

    fn parts(&self) -> u32 {
        self.engine.store().due_calls().map_or(1, DueCalls::parts)
    }

    /// For how long the first call has been due, left or not: somebody is to resume it.
    async fn oldest(&self, index: &dyn DueCalls, names: &[&str], part: u32) -> Option<Duration> {
        let request = Due::new(names, 1).part(part);
        let call = self.engine.0.call(Transition::Due, Duration::MAX, index.due(&request));
        call.await.ok()?.first().map(|call| call.overdue)
    }

    async fn due(&self, free: usize, rotation: &mut Rotation) -> Vec<DueCall> {
        let store = self.engine.store();
        let Some(index) = store.due_calls() else { return Vec::new() };
        let names: Vec<&str> = self.operations.keys().map(String::as_str).collect();
        // What this process leaves must not hide the others.
        let mut left = self.all_left();
        // Nor must what could not be taken a moment ago: it comes to its turn after one look without it.
        left.extend(self.take_failed());
        let request = Due::new(&names, free).without(&left).part(rotation.part());
        let call = index.due(&request);
        let answer = self.engine.0.call(Transition::Due, Duration::MAX, call).await;
        let due = match answer {
            Ok(mut due) => {
                let oldest = match left.is_empty() {
                    true => due.first().map(|call| call.overdue),
                    false => self.oldest(index, &names, rotation.part()).await,
                };
                Telemetry::oldest_due(rotation.note_oldest(oldest.unwrap_or_default()));
                due.retain(|call| !self.is_left(&call.id));
                due.truncate(free);
                due
            }
            Err(error) => {
                report(&error);
                Vec::new()
            }
        };
        // Also from a part that has more: the others must not wait until it has none.
        rotation.advance();
        due
    }
}

/// Why the loop goes on.
enum Woken {
    /// A call that it resumed has ended, and whether it was still there to be resumed.
    ByAnEnd(bool),
    ByTheClock,
    ToStop,
}

/// Waits until a call ends, the pause is over, or somebody says to stop.
async fn woken(
    stopped: &mut watch::Receiver<bool>,
    mut pause: Pin<&mut Sleep>,
    runs: &mut JoinSet<Resumed>,
) -> Woken {
    let mut changed = pin!(stopped.changed());
    poll_fn(|cx| {
        if changed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Woken::ToStop);
        }
        // There may be none.
        if let Poll::Ready(Some(ended)) = runs.poll_join_next(cx) {
            return Poll::Ready(Woken::ByAnEnd(matches!(ended, Ok(Resumed::Taken))));
        }
        pause.as_mut().poll(cx).map(|()| Woken::ByTheClock)
    })
    .await
}

/// Whether it was told to stop, or nobody holds it any more.
fn is_stopped(stopped: &watch::Receiver<bool>) -> bool {
    *stopped.borrow() || stopped.has_changed().is_err()
}

/// A pause of nearly this length, so that the processes of a fleet do not ask at the same moments.
fn jittered(pause: Duration) -> Duration {
    let tenth = pause / 10;
    let share = getrandom::u32().unwrap_or_default() % 21;
    pause.saturating_sub(tenth).saturating_add(tenth.saturating_mul(share) / 10)
}

fn report(error: &StoreError) {
    if error.kind() != StoreErrorKind::Timeout {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the store could not say which calls are to be resumed; trying again soon"
        );
    }
}
