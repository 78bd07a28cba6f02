//! The operator's side: inspecting, releasing and purging records (`inspect`, with `recorded_result` and `purge`), saying what a
//! call turned out to be (`resolve`, by a `resolution`; `resolve_step` for one of its steps, `suspend` for one that is to go on, and `moved_on` is the error of all), and finding the calls (`scan`) of which nobody has said that (`in_doubt`) and counting them (`indeterminate`).

mod in_doubt;
mod indeterminate;
mod inspect;
mod moved_on;
mod purge;
mod recorded_result;
mod resolution;
mod resolve;
mod resolve_step;
mod scan;
mod suspend;

pub use self::inspect::Inspection;
pub use self::recorded_result::RecordedResult;
pub use self::resolution::Resolution;
pub use self::scan::InspectionPage;
pub(in crate::engine) use self::scan::PAGE_STEP_BYTES;
