//! What runs there: callers of one key, as the engine calls a store, and movers.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::backends::{Migrating, MigrationMode, Mover};
use idempotent_core::model::{Envelope, Outcome};
use idempotent_core::store::{
    Abandon, Clock as _, Complete, CompleteOutcome, Release, Renew, Reserve, ReserveOutcome, State,
    Store,
};

use super::gate::{Flaw, Gate};
use super::node::turn;
use super::world::World;

pub(super) const LEASE: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(1_000_000_000);

/// A caller in a process of this mode, until it has an answer or gives up.
pub(super) async fn caller(world: Arc<World>, mode: MigrationMode, flaw: Flaw) {
    let (old, new) = Gate::both(&world.old, &world.new, flaw);
    let store = Migrating::new(old, new, mode);
    for _ in 0..6 {
        let mut envelope = Envelope::new("shop::charge");
        (envelope.guarantee, envelope.lease) = (world.guarantee, LEASE);
        let request = Arc::new(Reserve::new(world.id, envelope));
        store.from().announce(&request);
        let answer = store.reserve(&request).await;
        let sent = store.from().take_sent().unwrap_or_default();
        match answer {
            Ok(ReserveOutcome::Won) if world.clock.now() - sent < LEASE => {
                return run(&world, &store, &request, sent).await;
            }
            Ok(ReserveOutcome::Taken(entry)) => match (entry.state, entry.record.outcome()) {
                (State::Completed, Outcome::Kept(payload)) => return world.replay(payload),
                (State::Indeterminate, _) => return,
                _ => turn().await,
            },
            // As the engine does: the reservation may stand.
            answer => {
                if let Err(error) = answer {
                    world.note_if_given_up(&error);
                }
                for _ in 0..2 {
                    let _ = store.release(&Release::new(world.id, request.record())).await;
                }
            }
        }
    }
}

/// The body of a caller that has won, and its end.
async fn run(
    world: &Arc<World>,
    store: &Migrating<Gate, Gate>,
    request: &Reserve<'_>,
    sent: Duration,
) {
    let running = world.begin();
    let reservation = request.record();
    if world.random.one_in(4) {
        let _ = store.renew(&Renew::new(world.id, reservation, LEASE)).await;
    }
    if world.random.one_in(6) {
        // It failed before its effect. The next one may run as soon as the store is told.
        drop(running);
        let _ = store.release(&Release::new(world.id, reservation)).await;
        return;
    }
    if world.clock.now() - sent >= LEASE {
        return;
    }
    world.effect(request.token());
    turn().await;
    if world.random.one_in(8) {
        drop(running);
        let abandoned = reservation.abandoned();
        let _ = store.abandon(&Abandon::new(world.id, reservation, &abandoned)).await;
        return;
    }
    let record = reservation.completed(request.token().as_bytes());
    let complete = Complete::new(world.id, reservation, &record, TTL);
    for _ in 0..12 {
        match store.complete(&complete).await {
            Ok(CompleteOutcome::Recorded) => {
                world.note("recorded");
                world.ledger.lock().unwrap().recorded.push(request.token());
                return;
            }
            Ok(_) => return,
            Err(error) => {
                world.note_if_given_up(&error);
                turn().await;
            }
        }
    }
}

pub(super) async fn mover(world: Arc<World>) {
    let (old, new) = Gate::both(&world.old, &world.new, Flaw::None);
    let mover = Mover::new(old, new).page(2).concurrency(1);
    for _ in 0..3 {
        let mut pass = mover.pass();
        while let Ok(true) = pass.next().await {}
    }
}
