//! Whether the owner of a call that runs is alive. Owners renew a lease once a third of it is over, and dead ones do not, so
//! that a second look tells one that is alive. One that was only held up, by a machine that stood still for instance, looks
//! dead meanwhile: so a lease that soon lapses is waited for, which ends the ownership of either.

use std::time::{Duration, Instant};

use idempotent_core::engine::Inspection;
use idempotent_core::model::OwnerState;
use idempotent_core::store::State;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::lasting;
use crate::store::Connected;

/// Nobody waits longer than this for a second look: a third of the default lease, and some more.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Nor longer than this for a lease that is not renewed to lapse: what is left of the default one by then.
const LONGEST_LAPSE: Duration = Duration::from_secs(20);

/// Clocks of servers and of this machine differ by less.
const LAPSED_BY: Duration = Duration::from_millis(200);

/// A record that was looked at twice if it runs, and what that says of its owner.
pub(super) struct Looked {
    pub(super) seen: Box<Inspection>,
    /// A sentence; `None` if nobody runs the call.
    pub(super) owner: Option<String>,
}

/// Looks again at a call that runs.
///
/// # Errors
///
/// [`Exit::Refused`] if its owner is alive or may be, unless that is no matter, and if the record has changed meanwhile.
pub(super) async fn look_again(
    context: &Context,
    store: &Connected,
    seen: Box<Inspection>,
    although_it_runs: bool,
) -> Result<Looked, Failure> {
    // An owner that holds its key has ended, and renews nothing.
    let runs = seen.state() == State::Reserved && seen.owner_state() == OwnerState::Running;
    if !runs {
        return Ok(Looked { seen, owner: None });
    }
    if although_it_runs {
        let owner = "It is RESERVED, and nobody looked whether its owner is alive.".to_owned();
        return Ok(Looked { seen, owner: Some(owner) });
    }
    let Some(remaining) = seen.remaining() else {
        return Err(refused(
            "it runs, and the store does not say when its owner renewed its lease",
        ));
    };
    let first = Lease { lease: seen.lease(), remaining, at: Instant::now() };
    let wait = first.wait();
    if wait > LONGEST_WAIT {
        return Err(refused(&format!(
            "its owner renewed the lease {} ago and has to do so again within {}: only then can be seen whether it is alive",
            lasting(first.since_renewal()),
            lasting(wait)
        )));
    }
    if !context.is_json() {
        eprintln!("it runs: looking again in {}, to see whether its owner is alive", brief(wait));
    }
    let asked_after = async |wait| -> Result<(Option<Box<Inspection>>, Instant), Failure> {
        context.interrupt.unless_pressed(tokio::time::sleep(wait)).await?;
        let asked = Instant::now();
        let now = context.interrupt.unless_pressed(store.engine.inspect(seen.id())).await??;
        Ok((now.map(Box::new), asked))
    };
    let (now, asked) = asked_after(wait).await?;
    let now = now.filter(|now| is_same_run(now, &seen)).ok_or_else(changed)?;
    let second =
        Lease { lease: now.lease(), remaining: now.remaining().unwrap_or_default(), at: asked };
    if now.state() != State::Reserved {
        return Ok(Looked { seen: now, owner: Some(ENDED.to_owned()) });
    }
    if second.is_renewed_since(&first) {
        return Err(alive(&second));
    }
    if second.remaining > LONGEST_LAPSE {
        let (due, since) = (brief(second.lease / 3), brief(second.since_renewal()));
        let owner = format!(
            "It is RESERVED, and its owner seems dead, or was held up for long: owners renew this lease every {due}, and it \
             did not for {since}."
        );
        return Ok(Looked { seen: now, owner: Some(owner) });
    }
    if !context.is_json() {
        eprintln!("it was not renewed: its lease lapses in {}", brief(second.remaining));
    }
    let (now, asked) = asked_after(second.remaining + LAPSED_BY).await?;
    let Some(now) = now else {
        let why = "its lease has lapsed and its key is free: a retry runs it";
        return Err(Failure::new(Exit::Refused, why));
    };
    if !is_same_run(&now, &seen) {
        return Err(changed());
    }
    if now.state() == State::Reserved {
        let remaining = now.remaining().unwrap_or_default();
        return Err(alive(&Lease { lease: now.lease(), remaining, at: asked }));
    }
    Ok(Looked { seen: now, owner: Some(ENDED.to_owned()) })
}

/// Of a run that holds its key no more.
const ENDED: &str = "Its owner let the lease lapse, or gave the call up meanwhile: it is dead, or has lost the call.";

/// Whether it is still the run that was looked at first.
fn is_same_run(now: &Inspection, seen: &Inspection) -> bool {
    now.token() == seen.token() && now.state() != State::Completed
}

fn changed() -> Failure {
    Failure::new(Exit::Refused, "it has changed while it was looked at: look at it again")
}

fn alive(lease: &Lease) -> Failure {
    refused(&format!(
        "its owner renewed the lease {} ago: it is ALIVE",
        brief(lease.since_renewal())
    ))
}

/// A lease as it was at a moment.
struct Lease {
    lease: Duration,
    remaining: Duration,
    at: Instant,
}

impl Lease {
    fn since_renewal(&self) -> Duration {
        self.lease.saturating_sub(self.remaining)
    }

    /// How long until an owner that is alive has renewed it. One that is late already gets a moment more.
    fn wait(&self) -> Duration {
        let due = self.lease / 3 + self.lease / 20 + Duration::from_millis(100);
        let a_moment = (self.lease / 10).min(Duration::from_secs(1));
        due.saturating_sub(self.since_renewal()).max(a_moment)
    }

    /// Whether more is left of it than the time since then has left. A renewal adds a third, and clocks are adjusted by less.
    fn is_renewed_since(&self, first: &Self) -> bool {
        let elapsed = self.at.saturating_duration_since(first.at);
        let slack = self.lease / 50 + Duration::from_millis(20);
        self.remaining > first.remaining.saturating_sub(elapsed) + slack
    }
}

fn refused(why: &str) -> Failure {
    let how = "if you know better, add --although-it-runs: its body may then run twice at once";
    Failure::new(Exit::Refused, format!("{why}; {how}"))
}

/// A time with tenths of seconds, since leases may be short.
fn brief(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        _ => lasting(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(remaining_millis: u64, at: Instant) -> Lease {
        let remaining = Duration::from_millis(remaining_millis);
        Lease { lease: Duration::from_secs(30), remaining, at }
    }

    #[test]
    fn a_lease_with_more_left_than_time_has_left_was_renewed() {
        let began = Instant::now();
        let later = began + Duration::from_secs(10);
        let first = lease(25_000, began);
        assert!(!lease(15_000, later).is_renewed_since(&first));
        assert!(!lease(15_300, later).is_renewed_since(&first), "a clock was adjusted");
        assert!(lease(24_000, later).is_renewed_since(&first));
    }

    #[test]
    fn the_second_look_comes_once_a_living_owner_has_renewed() {
        let now = Instant::now();
        assert_eq!(lease(30_000, now).wait(), Duration::from_millis(11_600));
        assert_eq!(lease(25_000, now).wait(), Duration::from_millis(6_600));
        assert_eq!(lease(2_000, now).wait(), Duration::from_secs(1), "it is late already");
    }
}
