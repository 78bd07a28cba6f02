//! What comes before and after every change: `consent` asks, `audit` writes down who did what and why, in the file of
//! `audit_log`, `ending` reads what a call turned out to be.

mod audit;
mod audit_log;
mod consent;
mod ending;
mod response;

pub(crate) use self::audit::{Audit, Subject, warn_of_log};
pub(crate) use self::consent::{agree, agree_to_count, check, confirm};
pub(crate) use self::ending::{Said, resolution, step_resolution};
