//! Whoever makes the calls that the first one did not live to see answered.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::call_steps::Call;
use super::kills::{Case, Setup};
use super::single_call::{CallAnswer, until_told};
use crate::transfer::bank_client::BankClient;

#[derive(Clone)]
pub(super) struct RepeatCaller(Arc<BankClient>);

impl RepeatCaller {
    pub(super) async fn of(setup: &Setup) -> Result<Self> {
        let client = BankClient::open(&setup.server.url(), setup.level, "second", 8).await?;
        Ok(Self(Arc::new(client)))
    }

    /// What was answered before the call that is broken, if anything.
    pub(super) async fn prepare(&self, case: &Case) -> Result<Option<i64>> {
        if case.call != Call::Replay {
            return Ok(None);
        }
        match until_told(&self.0, &case.order).await {
            CallAnswer::Answer(answer) => Ok(Some(answer)),
            told => bail!("a transfer that nobody disturbs: {told:?}"),
        }
    }

    /// What the call is answered afterwards, twice.
    pub(super) async fn again(&self, case: &Case) -> [CallAnswer; 2] {
        let first = until_told(&self.0, &case.order).await;
        [first, until_told(&self.0, &case.order).await]
    }
}
