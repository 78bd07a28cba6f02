//! The operator's side: inspecting, releasing and purging records (`inspect`), saying what a
//! call turned out to be (`resolve`, by a `resolution`), and counting the calls of which nobody has said that (`indeterminate`).

mod indeterminate;
mod inspect;
mod resolution;
mod resolve;

pub use self::inspect::{Inspection, InspectionPage};
pub use self::resolution::Resolution;
