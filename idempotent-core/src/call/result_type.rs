//! [`ResultType`]: the return type of an idempotent function.

use super::step::Step;
use super::typed::Call;

/// A `Result`, under whatever alias: the return type of an idempotent function.
#[diagnostic::on_unimplemented(
    message = "an idempotent function must return `Result`, found `{Self}`",
    label = "not a `Result`",
    note = "a handler of axum that returns a response needs the flag `response`",
    note = "a call may be refused with an error: write `Result<{Self}, idempotent_core::Error>`, or use your own error type that implements `From<idempotent_core::Error>`"
)]
pub trait ResultType {
    /// The type that is memoized.
    type Ok;
    /// The type that a refusal becomes.
    type Err;
    /// The [`Call`] that returns this type. It is an associated type so that a type that is not a
    /// `Result` causes one error, where it is named, and none in what follows.
    type Call;

    /// The [`Step`] that returns this type, likewise.
    type Step;

    #[doc(hidden)]
    fn call(call: Call<Self::Ok, Self::Err>) -> Self::Call;

    #[doc(hidden)]
    fn step(step: Step<Self::Ok, Self::Err>) -> Self::Step;
}

impl<T, E> ResultType for Result<T, E> {
    type Ok = T;
    type Err = E;
    type Call = Call<T, E>;
    type Step = Step<T, E>;

    fn call(call: Call<T, E>) -> Call<T, E> {
        call
    }

    fn step(step: Step<T, E>) -> Step<T, E> {
        step
    }
}
