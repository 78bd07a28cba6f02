//! The operations that a recovery resumes, with the code that runs each of them.

use std::any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::codec;

/// A run of a call, from its decoded input on.
pub(super) type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes a run of an encoded input, or says why it is none.
pub(super) type MakeRun = Arc<dyn Fn(&[u8]) -> Result<Run, String> + Send + Sync>;

/// By name.
pub(super) type Operations = BTreeMap<String, MakeRun>;

/// The run of an operation that takes an `I`.
pub(super) fn make_run<I, F, Fut>(run: F) -> MakeRun
where
    I: DeserializeOwned,
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Send> + Send + 'static,
{
    Arc::new(move |input| {
        // The tag is that of a result.
        let value = input.split_first().map(|(_, value)| value).unwrap_or_default();
        // The decoder's own words may quote the input.
        let input: I = codec::decode(value)
            .map_err(|_| format!("its input cannot be decoded as a `{}`", any::type_name::<I>()))?;
        let run = run(input);
        Ok(Box::pin(async move { drop(run.await) }))
    })
}
