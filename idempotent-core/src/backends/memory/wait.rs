//! Waiting until a reservation ends.

use std::future::poll_fn;
use std::task::Poll;

use super::moment::Moment;
use super::unfinished::Unfinished;
use super::waiter::Waiter;
use crate::store::{Clock, Sleep, Wait};

/// Returns once the reservation has ended: whoever ends it wakes the waiter, or its lease lapses.
pub(super) async fn until_ended(unfinished: &Unfinished, clock: &dyn Clock, request: &Wait<'_>) {
    let now = || Moment::of(clock.now());
    let mut waiter = Waiter::new(unfinished, request.id.hash(), request.token);
    let mut lapse: Option<(Moment, Sleep<'_>)> = None;
    poll_fn(|context| {
        while let Some(lapses_at) = waiter.poll(context.waker(), now()) {
            // A renewal moves the lapse without waking anybody. It is noticed here, when the
            // earlier one is due.
            let (_, sleep) = match lapse.take() {
                Some(same) if same.0 == lapses_at => lapse.insert(same),
                _ => lapse.insert((lapses_at, clock.sleep_until(lapses_at.since_origin()))),
            };
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if now() < lapses_at {
                break;
            }
        }
        Poll::Ready(())
    })
    .await;
}
