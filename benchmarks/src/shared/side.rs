//! One side of a comparison.

use std::error::Error;
use std::future::Future;

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
pub(crate) trait Side: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// About how many replays it makes while others make one, so that its turns are as long as theirs.
    fn pace(&self) -> u64 {
        1
    }

    /// A call with a fresh key.
    fn execute(&self, key: &str) -> impl Future<Output = Outcome> + Send;

    /// A call with a key that was executed.
    fn replay(&self, key: &str) -> impl Future<Output = Outcome> + Send;
}

/// A side of any type. It boxes the calls of a task together: a box for each would be a tenth of the
/// fastest.
#[async_trait]
pub(crate) trait AnySide: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// See [`Side::pace`].
    fn pace(&self) -> u64;

    /// One call for each key, one after another.
    async fn calls(&self, what: What, keys: &[String]) -> Outcome;
}

#[async_trait]
impl<S: Side> AnySide for S {
    fn name(&self) -> &'static str {
        Side::name(self)
    }

    fn pace(&self) -> u64 {
        Side::pace(self)
    }

    async fn calls(&self, what: What, keys: &[String]) -> Outcome {
        for key in keys {
            match what {
                What::Execute => self.execute(key).await?,
                What::Replay => self.replay(key).await?,
            }
        }
        Ok(())
    }
}
