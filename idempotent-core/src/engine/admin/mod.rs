//! The operator's side: inspecting, releasing and purging records (`inspect`), saying what a
//! call turned out to be (`resolve`), and counting the calls of which nobody has said that (`indeterminate`).

mod indeterminate;
mod inspect;
mod resolve;

pub use self::inspect::{Inspection, InspectionPage};
pub use self::resolve::Resolution;
