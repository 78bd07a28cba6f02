//! What comes before and after every change: `consent` asks, `audit` writes down who did what and why, `ending` reads
//! what a call turned out to be.

mod audit;
mod consent;
mod ending;
mod response;

pub(crate) use self::audit::{Audit, Subject};
pub(crate) use self::consent::{agree, agree_to_count, check};
pub(crate) use self::ending::{Said, resolution, step_resolution};
