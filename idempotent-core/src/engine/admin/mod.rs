//! The operator's side: inspecting, releasing and purging records (`inspect`), and saying what a
//! call turned out to be (`resolve`, and `suspend` for one with steps). `moved_on` is the error of both.

mod inspect;
mod moved_on;
mod resolve;
mod suspend;

pub use self::inspect::{Inspection, InspectionPage};
pub use self::resolve::Resolution;
