//! The call: ten steps, two of them *at most once*, two of them at the same time.

use std::time::Duration;

use idempotent_core::call::Call;
use idempotent_core::engine::Recovery;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, current};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::time::sleep;

use super::effects::Effects;

/// How many steps a call has.
pub(super) const STEPS: u32 = 10;

/// The operation's name.
pub(super) const OPERATION: &str = "chaos.order";

/// The longest pause before an effect and after it, in milliseconds.
const LONGEST_PAUSE: u64 = 60;

/// The input of a call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) number: u32,
}

/// Whether a step is *at most once*.
pub(super) const fn is_once(step: u32) -> bool {
    matches!(step, 2 | 7)
}

/// What a step returns.
pub(super) const fn result_of_step(order: u32, step: u32) -> u64 {
    order as u64 * 100 + step as u64
}

/// What a call returns.
pub(super) fn result(order: u32) -> u64 {
    (0..STEPS).map(|step| result_of_step(order, step)).sum()
}

/// The call, by whoever makes it.
pub(super) fn call(engine: &Idempotency, lease: Duration, order: &Order) -> Call<u64, Error> {
    let call = Operation::new(OPERATION).lease(lease).key(&order.number).engine(engine);
    call.resume(order).returning::<Result<u64, Error>>()
}

/// Its body.
pub(super) async fn body(effects: Arc<Effects>, order: Order) -> Result<u64, Error> {
    effects.start(order.number);
    let step = async |step| effect(&effects, order, step).await;
    let (first, second) = tokio::try_join!(step(0), step(1))?;
    let mut sum = first + second;
    for at in 2..STEPS {
        sum += step(at).await?;
    }
    Ok(sum)
}

async fn effect(effects: &Effects, order: Order, at: u32) -> Result<u64, Error> {
    let guarantee = if is_once(at) { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce };
    let step = Operation::new("line").guarantee(guarantee).step().key(&at);
    let ran = step.returning::<Result<u64, Error>>().run(|| async {
        pause().await;
        let key = current().map(|step| step.derive("provider").to_string());
        effects.take(order.number, at, &key.unwrap_or_default());
        pause().await;
        Ok(result_of_step(order.number, at))
    });
    ran.await
}

async fn pause() {
    sleep(Duration::from_millis(fastrand::u64(..LONGEST_PAUSE))).await;
}

/// A recovery of these calls, which no number of deaths makes give up.
pub(super) fn recovery(engine: &Idempotency, lease: Duration, effects: &Arc<Effects>) -> Recovery {
    let (calls, effects) = (engine.clone(), Arc::clone(effects));
    let recovery = Recovery::new(engine).poll_every(Duration::from_millis(200));
    recovery.concurrency(64).max_attempts(10_000).operation(OPERATION, move |order: Order| {
        let (engine, effects) = (calls.clone(), Arc::clone(&effects));
        async move { call(&engine, lease, &order).run(|| body(effects, order)).await }
    })
}
