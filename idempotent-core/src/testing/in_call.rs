//! [`in_call`]: a call around a step, for a unit test of the step.

use super::test_engine::engine;
use crate::call::BeginOutcome;
use crate::error::Error;
use crate::model::Operation;

/// Runs `future` as the body of an idempotent call, so that a step in it can be tested by itself. The call has an engine
/// in memory for this one time, and is not recorded.
///
/// ```
/// use idempotent_core::{Error, current, idempotent, testing};
///
/// #[idempotent(step)]
/// async fn charge(cents: u32) -> Result<u32, Error> {
///     assert!(current().is_some());
///     Ok(cents)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// assert!(charge(1990).await.is_err()); // a step is a part of a call
/// assert_eq!(testing::in_call(charge(1990)).await?, 1990);
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// Outside of a Tokio runtime.
pub async fn in_call<F: Future>(future: F) -> F::Output {
    let test = engine();
    let call = Operation::new("testing.in_call").key("the only one").engine(&test.engine());
    let begun = call.returning::<Result<(), Error>>().begin().await;
    let Ok(BeginOutcome::Reserved(reservation)) = begun else {
        panic!("a call on a new engine in memory can begin");
    };
    let output = test.run(reservation.scope(future)).await;
    reservation.release().await;
    output
}
