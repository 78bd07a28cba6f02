//! The steps of a call: recorded one by one, so that a run after a crash does not repeat them.
//!
//! In the order of a step: how it was described (`request`), what it is a part of and who it is (`arrive`), what earlier
//! runs wrote (`load`), whether it may be a renamed one (`gate`), all of that and its beginning as one future (`acquire`),
//! what it holds while it runs (`held`), its end (`record`), and what it gives to later runs (`recorded`). `write` is how
//! anything gets into the journal, and `refusal` what is wrong with a step that may not run. `builder` has an engine's
//! limits.

mod acquire;
mod arrive;
mod builder;
mod gate;
mod held;
mod load;
mod record;
mod recorded;
mod refusal;
mod request;
mod write;

pub(crate) use self::acquire::{AcquiredStep, AcquiringStep, acquire_step};
pub(crate) use self::held::HeldStep;
pub(crate) use self::record::{StepEnd, StepRecording};
pub(crate) use self::recorded::RecordedStep;
pub(crate) use self::request::StepRequest;
