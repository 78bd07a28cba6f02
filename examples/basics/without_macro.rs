//! The same engine without the attribute: an operation as a constant, a call of it, and a
//! reservation for work that is not one function.
//!
//! Run it with `cargo run -p examples-basics --bin without_macro`.

use std::time::Duration;

use idempotent_core::call::BeginOutcome;
use idempotent_core::{Error, Operation};

const CHARGE: Operation =
    Operation::new("charge").ttl(Duration::from_secs(24 * 60 * 60)).wait(Duration::from_secs(5));

const SHIP: Operation = Operation::new("ship").lease(Duration::from_secs(60));

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Shows the engine's own log, such as its warning that no store is installed.
    tracing_subscriber::fmt().without_time().with_target(false).init();

    println!("A call, and how it ended:");
    for attempt in 1..=2 {
        let call = CHARGE
            .key(&("order:", 7))
            .scope("tenant-1")
            .fingerprint(&1990)
            .returning::<Result<String, Error>>();
        let (receipt, ended) =
            call.run_with_outcome(|| async { Ok(format!("receipt of attempt {attempt}")) }).await;
        println!("  attempt {attempt}: {}, {}", ended.as_str(), receipt?);
    }

    println!("A queue that delivers some messages twice:");
    let deliveries = [
        Message { id: "m1", parcel: Some("books") },
        Message { id: "m2", parcel: None },
        Message { id: "m1", parcel: Some("books") },
        Message { id: "m2", parcel: Some("shoes") },
    ];
    for message in &deliveries {
        handle(message).await?;
    }
    Ok(())
}

struct Message {
    id: &'static str,
    parcel: Option<&'static str>,
}

/// Handles a message and acknowledges it. The reservation is held, and its lease renewed, for as
/// long as the handler has it; a handler that is dropped half way leaves the key to its lease.
async fn handle(message: &Message) -> Result<(), Error> {
    let call = SHIP.key(message.id).returning::<Result<String, Error>>();
    let reservation = match call.begin().await {
        Ok(BeginOutcome::Reserved(reservation)) => reservation,
        Ok(BeginOutcome::Replayed(shipped)) => {
            println!("  {}: a redelivery, {}; acknowledged", message.id, shipped?);
            return Ok(());
        }
        // Another consumer has it, or the store does not answer: the queue delivers it again.
        Err(error) if error.is_retryable() => {
            println!("  {}: not now, {error}", message.id);
            return Ok(());
        }
        Err(error) => return Err(error),
        Ok(_) => unreachable!("a call has started or is replayed"),
    };
    let Some(parcel) = message.parcel else {
        // Nothing was shipped, so the next delivery may try.
        reservation.release().await;
        println!("  {}: it names no parcel, sent back", message.id);
        return Ok(());
    };
    let shipped = Ok(format!("shipped {parcel}"));
    reservation.complete(&shipped).await;
    println!("  {}: {}; acknowledged", message.id, shipped?);
    Ok(())
}
