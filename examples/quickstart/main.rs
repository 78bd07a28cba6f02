//! Duplicates of real orders, and what becomes of each one. No server, no configuration.
//!
//! Run it with `cargo run -p quickstart`.

use std::time::{Duration, Instant};

use idempotent_core::{Error, ErrorKind, idempotent};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Serialize)]
struct Order {
    id: u32,
    cents: u32,
}

/// What a call gives back, and a replay again: whose request it was that took effect.
#[derive(Serialize, Deserialize)]
struct Receipt {
    number: usize,
    request: String,
}

/// A duplicate of a running charge waits for its receipt, and the same order with another amount is
/// refused.
#[idempotent(key = order.id, name = "charge", fingerprint = order, wait = "5s")]
async fn charge(order: Order, request: &str) -> Result<Receipt, Error> {
    let number = gateway::take(order.id, order.cents).await;
    Ok(Receipt { number, request: request.to_owned() })
}

/// The same key, but another operation. Without `wait`, a duplicate of a running call is refused at
/// once.
#[idempotent(key = order.id, name = "refund")]
async fn refund(order: Order, request: &str) -> Result<Receipt, Error> {
    let number = gateway::give_back(order.id).await;
    Ok(Receipt { number, request: request.to_owned() })
}

#[tokio::main]
async fn main() {
    let shirt = Order { id: 1, cents: 19_90 };
    let shoes = Order { id: 2, cents: 89_00 };
    println!("{:<24} {:<9} {:>7}   why", "request", "outcome", "after");

    chapter("A double click: the second one waits for the first one's receipt");
    tokio::join!(
        tell("first click", |me| charge(shirt, me)),
        tell("second click", |me| charge(shirt, me)),
    );

    chapter("The answer got lost on its way, so the client sends the order again");
    tell("retry", |me| charge(shirt, me)).await;

    chapter("The same order number comes back with another amount");
    let forged = Order { cents: 1, ..shirt };
    tell("changed payload", |me| charge(forged, me)).await;

    chapter("A double click on an operation that does not wait");
    tokio::join!(
        tell("first refund", |me| refund(shirt, me)),
        tell("second refund", |me| refund(shirt, me)),
    );
    tell("second refund, again", |me| refund(shirt, me)).await;

    chapter("Another order, sent five times at once by an eager proxy");
    let copies = ["1st copy", "2nd copy", "3rd copy", "4th copy", "5th copy"];
    let sent = copies.map(|copy| tokio::spawn(tell(copy, move |me| charge(shoes, me))));
    for copy in sent {
        copy.await.expect("the request does not panic");
    }

    let effects = gateway::effects();
    println!("\nThe gateway was asked {} times in all: {}.", effects.len(), effects.join(", "));
    // Each order was charged once.
    assert_eq!(effects, ["19.90 for order 1", "refund of order 1", "89.00 for order 2"]);
}

fn chapter(title: &str) {
    println!("\n{title}");
}

/// Sends one request and prints what became of it.
async fn tell<F>(request: &'static str, send: impl FnOnce(&'static str) -> F)
where
    F: Future<Output = Result<Receipt, Error>>,
{
    let sent = Instant::now();
    let (outcome, why) = match send(request).await {
        Ok(Receipt { number, request: ran }) if ran == request => {
            ("ran", format!("receipt {number}"))
        }
        Ok(Receipt { number, request: ran }) => {
            ("replayed", format!("receipt {number}, made for the {ran}"))
        }
        Err(error) => ("refused", format!("{}: {}", error.status(), reason(&error))),
    };
    println!("  {request:<22} {outcome:<9} {:>4} ms   {why}", sent.elapsed().as_millis());
}

fn reason(error: &Error) -> String {
    match (error.kind(), error.retry_after()) {
        (ErrorKind::InProgress, Some(after)) => {
            format!("a call with this key is running, retry in {after:?}")
        }
        (ErrorKind::FingerprintMismatch, _) => "this key was used with another payload".to_owned(),
        _ => error.to_string(),
    }
}

/// A payment provider that takes its time and remembers everything it did.
mod gateway {
    use std::sync::Mutex;

    static EFFECTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

    pub(crate) async fn take(order: u32, cents: u32) -> usize {
        happen(format!("{}.{:02} for order {order}", cents / 100, cents % 100)).await
    }

    pub(crate) async fn give_back(order: u32) -> usize {
        happen(format!("refund of order {order}")).await
    }

    async fn happen(effect: String) -> usize {
        tokio::time::sleep(super::Duration::from_millis(200)).await;
        let mut effects = EFFECTS.lock().expect("nobody panicked");
        effects.push(effect);
        effects.len()
    }

    pub(crate) fn effects() -> Vec<String> {
        EFFECTS.lock().expect("nobody panicked").clone()
    }
}
