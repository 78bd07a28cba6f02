//! The contract of sources: the rules that every source keeps, one case per rule.

mod case;
mod cases;
mod fixture;
mod keeping;
mod receiving;
mod settling;
mod stopping;
mod subject;

pub use self::case::Case;
#[doc(hidden)]
pub use self::cases::__run;
pub use self::cases::cases;
pub use self::subject::SourceSubject;
