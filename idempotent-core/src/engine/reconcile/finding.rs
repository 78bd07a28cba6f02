//! [`Finding`]: what another system says of a call.

use serde::Serialize;

use crate::engine::admin::Resolution;

/// What another system says of a call whose outcome nobody knows.
///
/// ```
/// use idempotent_core::engine::Finding;
///
/// fn finding(answer: Result<Option<String>, std::io::Error>) -> Finding {
///     match answer {
///         Ok(Some(receipt)) => Finding::happened(receipt),
///         Ok(None) => Finding::NeverHappened,
///         Err(_) => Finding::Unknown,
///     }
/// }
/// # finding(Ok(None));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// The call has ended, and this is how. [`happened`](Self::happened) and [`failed`](Self::failed) make one.
    Ended(Resolution),
    /// The other system knows nothing of it. That counts once it has said so twice, the
    /// [settle time](super::Reconciler::settle) apart: the request may be on its way. Of a call with
    /// [steps](crate::guide::calls_of_several_effects) it counts as [`Unknown`](Self::Unknown), since each step sends a key
    /// of its own: [ask about the step](super::Reconciler::step). The next run then runs it.
    NeverHappened,
    /// The other system cannot say: it is asked again later.
    Unknown,
}

impl Finding {
    /// The effect happened: retries replay this `Ok`, and a call gets it in the place of running the step that was asked
    /// about. Its type must be that of the operation or the step.
    pub fn happened<T: Serialize>(value: T) -> Self {
        Self::Ended(Resolution::completed(value))
    }

    /// The call failed for good: retries replay this `Err`. The operation or the step must memoize errors.
    pub fn failed<E: Serialize>(error: E) -> Self {
        Self::Ended(Resolution::failed(error))
    }
}
