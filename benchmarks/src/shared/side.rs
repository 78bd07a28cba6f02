//! One side of a comparison.

use std::error::Error;

use async_trait::async_trait;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Outcome = Result<(), Failure>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Calls with fresh keys.
    Execute,
    /// Calls with keys that were executed before.
    Replay,
}

/// Something that makes calls idempotent, or the plain commands of one.
#[async_trait]
pub(crate) trait Side: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// A call with a fresh key.
    async fn execute(&self, key: &str) -> Outcome;

    /// A call with a key that was executed.
    async fn replay(&self, key: &str) -> Outcome;
}
