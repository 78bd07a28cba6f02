//! Whoever makes the calls that the first one did not live to see answered.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::course::Call;
use super::errand::{Told, until_told};
use super::scene::{Case, Scene};
use crate::transfer::desk::Desk;

#[derive(Clone)]
pub(super) struct Second(Arc<Desk>);

impl Second {
    pub(super) async fn of(scene: &Scene) -> Result<Self> {
        let desk = Desk::open(&scene.server.url(), scene.level, "second", 8).await?;
        Ok(Self(Arc::new(desk)))
    }

    /// What was answered before the call that is broken, if anything.
    pub(super) async fn prepare(&self, case: &Case) -> Result<Option<i64>> {
        if case.call != Call::Replay {
            return Ok(None);
        }
        match until_told(&self.0, &case.order).await {
            Told::Answer(answer) => Ok(Some(answer)),
            told => bail!("a transfer that nobody disturbs: {told:?}"),
        }
    }

    /// What the call is answered afterwards, twice.
    pub(super) async fn again(&self, case: &Case) -> [Told; 2] {
        let first = until_told(&self.0, &case.order).await;
        [first, until_told(&self.0, &case.order).await]
    }
}
