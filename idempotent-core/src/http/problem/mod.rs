//! RFC 9457 problems: the responses to refused requests.

mod document;
mod types;

pub use self::document::{PROBLEM_TYPES, Problem};
