//! What becomes of the key when a body fails: kept, released or held, decided error by error.
//!
//! Run it with `cargo run -p examples-basics --bin errors`.

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::Resolution;
use idempotent_core::store::Scan;
use idempotent_core::{Disposition, Error, Idempotency, idempotent, install};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// Longer than the lease below, so that a held key has lapsed.
const PAST_THE_LEASE: Duration = Duration::from_millis(1500);

/// How often a body has run.
static RUNS: AtomicU32 = AtomicU32::new(0);

/// An error that is kept must be one that serde can write and read back. A refusal is never kept,
/// so its variant needs no serde.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum PayError {
    #[error("the card was declined")]
    Declined,
    #[error("the gateway did not answer in time")]
    TimedOut,
    #[error("the amount must not be zero")]
    NoAmount,
    #[serde(skip)]
    #[error("refused, {0}")]
    Refused(#[from] Error),
}

/// Asked once the body has ended, and never for a replay.
fn disposition(result: &Result<String, PayError>) -> Disposition {
    match result {
        // Final: a retry gets the same answer.
        Ok(_) | Err(PayError::Declined) => Disposition::Keep,
        // The money may have moved, and nobody here knows.
        Err(PayError::TimedOut) => Disposition::Unknown,
        // Nothing had happened yet: a retry runs at once.
        Err(PayError::NoAmount | PayError::Refused(_)) => Disposition::Release,
    }
}

/// *At most once*: an unknown outcome refuses everybody until somebody finds out what happened. With `detach`, a client that goes away does not cause that.
#[idempotent(
    key = card, name = "pay", lease = "1s",
    guarantee = at_most_once, detach,
    memoize = disposition,
)]
async fn pay(card: &'static str, cents: u32) -> Result<String, PayError> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    match (card, cents) {
        (_, 0) => Err(PayError::NoAmount),
        ("empty card", _) => Err(PayError::Declined),
        ("slow gateway", _) => Err(PayError::TimedOut),
        _ => Ok(format!("paid {cents}")),
    }
}

/// Somebody else's error type: neither serde nor `From<Error>`.
#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("no such mailbox")]
    NoMailbox,
    #[error("the connection broke after the message was sent")]
    BrokenOff,
    #[error("refused, {0}")]
    Refused(Error),
}

fn mail_disposition(error: &MailError) -> Disposition {
    match error {
        MailError::BrokenOff => Disposition::Unknown,
        MailError::NoMailbox | MailError::Refused(_) => Disposition::Release,
    }
}

/// *At least once*: after an unknown outcome the key is free, and the body runs again.
#[idempotent(
    key = to, name = "mail", lease = "1s",
    on_error = mail_disposition,
    map_error = MailError::Refused,
)]
async fn mail(to: &str, attempt: u32) -> Result<String, MailError> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    match (to, attempt) {
        ("nobody", 1) => Err(MailError::NoMailbox),
        ("ada", 1) => Err(MailError::BrokenOff),
        _ => Ok(format!("sent at attempt {attempt}")),
    }
}

fn hold_for_lease(_: &MailError) -> Disposition {
    Disposition::HoldForLease
}

/// A request that timed out may yet arrive: the key is held until the lease ends.
#[idempotent(
    key = job, name = "enqueue", lease = "1s",
    on_error = hold_for_lease,
    map_error = MailError::Refused,
)]
async fn enqueue(job: u32, attempt: u32) -> Result<String, MailError> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    match attempt {
        1 => Err(MailError::BrokenOff),
        _ => Ok(format!("job {job} enqueued at attempt {attempt}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Idempotency::new(MemoryStore::new());
    install(engine.clone())?;

    println!("Keep: a declined card is final, and a retry gets the same error");
    show("first", pay("empty card", 500)).await;
    show("retry", pay("empty card", 500)).await;

    println!("\nRelease: a bad amount was found before anything happened, so the next one runs");
    show("first", pay("good card", 0)).await;
    show("corrected", pay("good card", 500)).await;
    show("retry", pay("good card", 500)).await;

    println!(
        "\nUnknown, at most once: the gateway may have charged, and nothing runs until that is known"
    );
    show("first", pay("slow gateway", 500)).await;
    show("retry", pay("slow gateway", 500)).await;
    for stuck in &engine.scan(&Scan::unfinished()).await?.entries {
        println!("  an operator asks about the {}: it had charged", stuck.key().unwrap_or("?"));
        engine.resolve(stuck, Resolution::completed("paid 500")).await?;
    }
    show("retry", pay("slow gateway", 500)).await;

    println!("\nRelease by on_error: no serde on the error");
    show("first", mail("nobody", 1)).await;
    show("retry", mail("nobody", 2)).await;

    println!("\nUnknown, at least once: the mail may be on its way, and a retry sends it again");
    show("first", mail("ada", 1)).await;
    show("retry", mail("ada", 2)).await;

    println!(
        "\nHoldForLease: the queue may still accept the job, so nothing runs until the lease ends"
    );
    show("first", enqueue(7, 1)).await;
    show("retry", enqueue(7, 2)).await;
    sleep(PAST_THE_LEASE).await;
    show("later", enqueue(7, 3)).await;

    assert_eq!(RUNS.load(Ordering::Relaxed), 10);
    Ok(())
}

/// Awaits a call and prints whether its body ran, and what its caller gets.
async fn show<E: Display>(when: &str, call: impl Future<Output = Result<String, E>>) {
    let before = RUNS.load(Ordering::Relaxed);
    let result = call.await;
    let ran = if RUNS.load(Ordering::Relaxed) > before { "ran" } else { "did not run" };
    match result {
        Ok(value) => println!("  {when:<10} {ran:<12} Ok   {value}"),
        Err(error) => println!("  {when:<10} {ran:<12} Err  {error}"),
    }
}
