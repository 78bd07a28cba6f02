//! `#[tracing::instrument]` above and below.

use idempotent_core::{Error, idempotent};
use tracing::instrument;

use crate::{Runs, alone};

#[instrument(skip(runs), fields(doubled = id * 2), err)]
#[idempotent(key = id, name = "instrumented.above")]
async fn above(id: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next() + id)
}

#[idempotent(key = id, name = "instrumented.below")]
#[instrument(skip(runs), fields(doubled = id * 2), err)]
async fn below(id: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next() + id)
}

struct Gate(Runs);

impl Gate {
    #[instrument(skip(self))]
    #[idempotent(key = id, name = "instrumented.method")]
    async fn charge(&self, id: u32) -> Result<u32, Error> {
        Ok(self.0.next() + id)
    }
}

#[tokio::test]
async fn instrument_stands_above_or_below() {
    let runs = Runs::default();
    let gate = Gate(runs.clone());
    alone(async {
        for _ in 0..2 {
            assert_eq!(above(0, &runs).await.unwrap(), 1);
            assert_eq!(below(0, &runs).await.unwrap(), 2);
            assert_eq!(gate.charge(0).await.unwrap(), 3);
        }
    })
    .await;
}
