//! From what was written to a [`Plan`], or to every mistake in it.
//!
//! Options and signature are checked independently, then against each other. Only this phase can
//! make a [`Plan`], so nothing unchecked reaches the expansion.

mod arguments;
mod body_variable;
mod combinations;
mod constant;
mod correction;
mod duration;
mod fresh;
mod joined;
mod key;
mod misplaced;
mod names;
mod options;
mod plan;
mod signature;
mod step;
mod suggest;
mod transaction;
mod unknown;
mod value;

pub(crate) use self::duration::Length;
pub(crate) use self::key::{Key, Part, is_content_call};
pub(crate) use self::options::{Memoize, Options};
pub(crate) use self::plan::{Plan, check};
