//! A shop whose calls are in every state that records have.

use std::time::Duration;

use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::{Inspection, Recovery, with_engine};
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, Reservation, step};
use serde::{Deserialize, Serialize};

/// Its calls are at most once: what nobody knows stays.
pub(crate) const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(Duration::from_secs(600));
/// Its calls are at least once.
pub(crate) const QUOTE: Operation = Operation::new("shop.quote").lease(Duration::from_secs(600));

/// A result with a few kinds of fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) number: u64,
    pub(crate) paid: Option<String>,
    pub(crate) lines: Vec<(String, f64)>,
}

pub(crate) fn receipt() -> Receipt {
    let lines = vec![("tea".to_owned(), 2.5)];
    Receipt { number: 7, paid: Some("2026-11-29".to_owned()), lines }
}

/// A charge that begins.
pub(crate) async fn begin(engine: &Idempotency, key: &str) -> Reservation<String, Error> {
    let call = CHARGE.scope("acme").key(&("order:", key)).engine(engine);
    match call.returning::<Result<String, Error>>().begin().await.expect("it begins") {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// A charge whose outcome nobody knows.
pub(crate) async fn lost(engine: &Idempotency, key: &str) -> Inspection {
    begin(engine, key).await.abandon().await;
    seen(engine, key).await.expect("it is there")
}

/// A charge as its retry has it.
pub(crate) async fn charge(
    engine: &Idempotency,
    key: &str,
    receipt: &str,
) -> Result<String, Error> {
    let call = CHARGE.scope("acme").key(&("order:", key)).engine(engine);
    call.returning::<Result<String, Error>>().run(|| async { Ok(receipt.to_owned()) }).await
}

/// A quote that completes.
pub(crate) async fn quote(engine: &Idempotency, key: &str) -> Receipt {
    let call = QUOTE.key(key).engine(engine);
    let quoted = call.returning::<Result<Receipt, Error>>().run(|| async { Ok(receipt()) }).await;
    quoted.expect("it completes")
}

/// So many quotes, a few at a time.
pub(crate) async fn quotes(engine: &Idempotency, count: u64) {
    let mut filling = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let engine = engine.clone();
        filling.spawn(async move {
            for number in (worker..count).step_by(8) {
                quote(&engine, &format!("basket {number}")).await;
            }
        });
    }
    filling.join_all().await;
}

/// A charge's record.
pub(crate) async fn seen(engine: &Idempotency, key: &str) -> Option<Inspection> {
    let id = engine.record_id("shop.charge", Some(&"acme"), &("order:", key)).expect("an id");
    engine.inspect(&id).await.expect("the store answers")
}

/// A record in each state that every store has.
pub(crate) async fn fill(engine: &Idempotency) -> Reservation<String, Error> {
    lost(engine, "7").await;
    charge(engine, "8", "receipt 8").await.expect("it completes");
    quote(engine, "basket 9").await;
    begin(engine, "10").await
}

/// An error of a step that does not know what it did.
#[derive(Debug)]
pub(crate) enum Failure {
    TimedOut,
    Refused,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

/// A call of two steps, the second of which is at most once and may be cut off by its gateway.
pub(crate) async fn checkout(engine: &Idempotency, answers: bool) -> Result<u32, Failure> {
    let answer = if answers { Ok(7) } else { Err(Failure::TimedOut) };
    checkout_with(engine, || std::future::ready(answer)).await
}

/// The same, with a gateway that never answers.
pub(crate) async fn hanging_checkout(engine: &Idempotency) -> Result<u32, Failure> {
    checkout_with(engine, std::future::pending).await
}

async fn checkout_with<Fut>(
    engine: &Idempotency,
    charge_card: impl FnOnce() -> Fut,
) -> Result<u32, Failure>
where
    Fut: Future<Output = Result<u32, Failure>>,
{
    let call = Operation::new("shop.checkout").lease(Duration::from_secs(600)).key("order 7");
    let call = call.engine(engine).returning::<Result<u32, Failure>>();
    let run = call.run(|| async move {
        step("hold", || async { Ok::<u32, Failure>(1) }).await?;
        let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let charge = charge.key("card 9").returning::<Result<u32, Failure>>();
        let charge = charge.on_error(|_| Disposition::Unknown);
        charge.run(charge_card).await
    });
    run.await
}

/// A call whose only step is in doubt.
pub(crate) async fn in_doubt(engine: &Idempotency) {
    let call = Operation::new("shop.refund").lease(Duration::from_secs(600)).key("order 7");
    let call = call.engine(engine).returning::<Result<u32, Failure>>();
    let refunded = call.run(|| async {
        let refund = Operation::new("refund").guarantee(Guarantee::AtMostOnce).step();
        let refund = refund.returning::<Result<u32, Failure>>().on_error(|_| Disposition::Unknown);
        refund.run(|| async { Err(Failure::TimedOut) }).await
    });
    refunded.await.expect_err("nobody knows");
}

/// An operation whose calls a recovery resumes.
pub(crate) const IMPORT: Operation = Operation::new("shop.import").lease(Duration::from_secs(600));

/// A call that a recovery has given up, since its runs panic.
pub(crate) async fn parked(engine: &Idempotency) -> Inspection {
    let recovery = Recovery::new(engine).poll_every(Duration::from_millis(10)).max_attempts(1);
    let recovery =
        recovery.operation("shop.import", |batch: u32| async move { import(batch, true).await });
    let first = engine.clone();
    let begun = tokio::spawn(with_engine(first, import(7, true))).await;
    assert!(begun.is_err(), "it panics");
    let recovery = recovery.start().expect("it starts");
    let id = engine.record_id("shop.import", None, &7).expect("an id");
    let parked = loop {
        let seen = engine.inspect(&id).await.expect("the store answers").expect("it is there");
        if seen.is_parked() {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    recovery.stop().await;
    parked
}

/// A call whose body may panic.
pub(crate) async fn import(batch: u32, panics: bool) -> Result<u32, Error> {
    let call = IMPORT.key(&batch).resume(&batch).returning::<Result<u32, Error>>();
    call.run(|| async move {
        assert!(!panics, "the batch cannot be imported");
        Ok(batch)
    })
    .await
}
