//! The crate `idempotent`, on its store for Valkey.

use std::error::Error;
use std::time::Duration;

use peer::valkey::ValkeyStore;
use peer::{ExecutionOutcome, IdempotencyKey, IdempotencyStore};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

pub(crate) struct Peer(ValkeyStore);

impl Peer {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(ValkeyStore::with_url(url).prefix("peer").try_build().await?))
    }

    async fn call(&self, key: &str) -> Outcome {
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
}

impl Side for Peer {
    fn name(&self) -> &'static str {
        "idempotent 2.0"
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
