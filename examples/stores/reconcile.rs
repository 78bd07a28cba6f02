//! Payments that time out at a provider which is slow and loses answers, and the job that finds out what became of them.
//! Two reconcilers run on the same file, as they would in two processes.
//!
//! Run it with `cargo run -p examples-stores --bin reconcile`. It needs no server and no setup.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idempotent_core::backends::SqliteStore;
use idempotent_core::engine::{Doubtful, Finding, Reconciler};
use idempotent_core::model::DerivedKey;
use idempotent_core::{Disposition, Error, ErrorKind, Idempotency, current, idempotent};
use tokio::time::{Instant, sleep, timeout};

type Failure = Box<dyn StdError + Send + Sync>;

const PAYMENTS: u64 = 12;
/// How long a payment waits for the provider.
const PATIENCE: Duration = Duration::from_millis(100);
/// No request is on its way for longer than this.
const SETTLE: Duration = Duration::from_millis(1500);

/// A provider that finds charges by the key of their request.
#[derive(Clone, Default)]
struct Provider(Arc<Mutex<HashMap<DerivedKey, Charge>>>);

#[derive(Clone)]
struct Charge {
    /// From then on the provider knows of it.
    arrives: Instant,
    receipt: String,
}

impl Provider {
    /// Takes a charge, and answers too late: every third request is lost on its way, every third answer on the way
    /// back, and the other requests arrive when nobody waits for them any more.
    async fn charge(&self, order: u64, key: DerivedKey) -> String {
        let receipt = format!("receipt {order}");
        let arrives = match order % 3 {
            0 => None,
            1 => Some(Instant::now()),
            _ => Some(Instant::now() + Duration::from_secs(2)),
        };
        if let Some(arrives) = arrives {
            let charge = Charge { arrives, receipt: receipt.clone() };
            self.charges().insert(key, charge);
        }
        sleep(Duration::from_secs(3600)).await;
        receipt
    }

    /// What became of a charge; now and then it does not say.
    async fn find(&self, key: DerivedKey, asked: u32) -> Result<Option<String>, &'static str> {
        if asked == 0 && key.as_bytes()[0].is_multiple_of(2) {
            return Err("503 Service Unavailable");
        }
        let charge = self.charges().get(&key).cloned();
        Ok(charge.filter(|charge| charge.arrives <= Instant::now()).map(|charge| charge.receipt))
    }

    fn charges(&self) -> MutexGuard<'_, HashMap<DerivedKey, Charge>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a payment has no receipt.
#[derive(Debug)]
enum PayError {
    /// The provider did not answer: the money may be gone.
    TimedOut,
    /// The call was refused.
    Refused(Error),
}

impl From<Error> for PayError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A result that only a timeout makes unknown.
fn after_error(error: &PayError) -> Disposition {
    match error {
        PayError::TimedOut => Disposition::Unknown,
        PayError::Refused(_) => Disposition::Release,
    }
}

/// Charges an order, and does not know what happened if the answer does not come.
#[idempotent(
    key = order,
    name = "shop.charge",
    lease = "1s",
    guarantee = at_most_once,
    on_error = after_error
)]
async fn charge(order: u64, provider: &Provider) -> Result<String, PayError> {
    // Within the body there is always a current call.
    let Some(call) = current() else { return Err(PayError::TimedOut) };
    let charged = timeout(PATIENCE, provider.charge(order, call.derive("provider"))).await;
    charged.map_err(|_| PayError::TimedOut)
}

/// The job, as each process runs it.
fn reconciler(engine: &Idempotency, provider: &Provider) -> Reconciler {
    let provider = provider.clone();
    Reconciler::new(engine)
        .settle(SETTLE)
        .backoff(Duration::from_millis(50), Duration::from_millis(400))
        .operation("shop.charge", move |call: Doubtful| {
            let provider = provider.clone();
            async move {
                match provider.find(call.derive("provider"), call.asked()).await {
                    Ok(Some(receipt)) => Finding::happened(receipt),
                    Ok(None) => Finding::NeverHappened,
                    Err(_) => Finding::Unknown,
                }
            }
        })
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("reconcile-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = pay_and_reconcile(&folder.join("calls.db")).await;
    std::fs::remove_dir_all(&folder)?;
    told
}

async fn pay_and_reconcile(file: &Path) -> Result<(), Failure> {
    let engine = Idempotency::new(SqliteStore::connect(file).await?);
    idempotent_core::install(engine.clone())?;
    let provider = Provider::default();
    println!("{PAYMENTS} payments, and the provider answers none of them in time.");
    for order in 0..PAYMENTS {
        let paid = charge(order, &provider).await;
        assert!(matches!(paid, Err(PayError::TimedOut)), "{paid:?}");
    }
    let retried = charge(0, &provider).await;
    assert!(
        matches!(retried, Err(PayError::Refused(error)) if error.kind() == ErrorKind::Indeterminate)
    );
    println!("A retry is refused: nobody knows whether the money is gone.\n");

    // In two processes, each has an engine of its own.
    let other = Idempotency::new(SqliteStore::connect(file).await?);
    let jobs = [reconciler(&engine, &provider), reconciler(&other, &provider)];
    let (mut ended, mut never_happened) = (0, 0);
    while ended + never_happened < PAYMENTS {
        for (number, job) in jobs.iter().enumerate() {
            let report = job.pass().await?;
            if report.asked > 0 {
                println!("job {}: {report}", number + 1);
            }
            ended += report.ended;
            never_happened += report.never_happened;
        }
        sleep(Duration::from_millis(100)).await;
    }

    println!("\nEvery record says what the provider's books say:");
    for order in 0..PAYMENTS {
        let id = engine.record_id("shop.charge", None, &order)?;
        let booked =
            provider.charges().get(&id.derive("provider")).map(|charge| charge.receipt.clone());
        let recorded = match engine.inspect(&id).await? {
            Some(seen) => seen.result().map(|result| result.decode::<String>()).transpose()?,
            None => None,
        };
        println!(
            "  order {order}: {}",
            booked.as_deref().unwrap_or("never arrived, may be paid again")
        );
        assert_eq!(recorded, booked);
    }
    assert_eq!((ended, never_happened), (8, 4));
    Ok(())
}
