//! RFC 9457 problems: the responses to refused requests.

mod document;
mod types;

pub(super) use self::document::PROBLEM_JSON;
pub use self::document::{PROBLEM_TYPES, Problem};
