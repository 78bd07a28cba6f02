//! The operator's side: inspecting, releasing and purging records (`inspect`), and saying what a
//! call turned out to be (`resolve`).

mod inspect;
mod resolve;

pub use self::inspect::{Inspection, InspectionPage};
pub use self::resolve::Resolution;
