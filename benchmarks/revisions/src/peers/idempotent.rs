//! The crate `idempotent`, on its stores in memory and for Valkey.

use std::error::Error;
use std::time::Duration;

use peer::memory::MemoryStore;
use peer::valkey::ValkeyStore;
use peer::{ExecutionOutcome, IdempotencyKey, IdempotencyStore};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

pub(crate) struct Idempotent<S>(S);

impl Idempotent<MemoryStore> {
    pub(crate) fn in_memory() -> Result<Self, Box<dyn Error>> {
        Ok(Self(MemoryStore::builder().try_build()?))
    }
}

impl Idempotent<ValkeyStore> {
    pub(crate) async fn on_redis(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(ValkeyStore::with_url(url).prefix("peer").try_build().await?))
    }
}

/// A call on either store: their errors are types of their own.
macro_rules! side {
    ($store:ty) => {
        impl Side for Idempotent<$store> {
            fn name(&self) -> &'static str {
                "idempotent 2.0"
            }

            async fn execute(&self, key: &str) -> Outcome {
                let key = IdempotencyKey::new(key)?;
                let outcome = self
                    .0
                    .claim(&key, Duration::from_secs(30))
                    .fingerprint("charge", b"")
                    .json()
                    .execute_or_replay(Duration::from_secs(86_400), |_token| async {
                        Ok::<Receipt, Box<dyn Error + Send + Sync>>(receipt())
                    })
                    .await?;
                match outcome {
                    ExecutionOutcome::Executed(receipt) | ExecutionOutcome::Replayed(receipt) => {
                        std::hint::black_box(receipt);
                        Ok(())
                    }
                    _ => Err("the call was neither executed nor replayed".into()),
                }
            }

            async fn replay(&self, key: &str) -> Outcome {
                self.execute(key).await
            }
        }
    };
}

side!(MemoryStore);
side!(ValkeyStore);
