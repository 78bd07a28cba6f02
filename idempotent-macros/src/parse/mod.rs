//! From tokens to what was written: options by name, and a function whose body is not parsed.
//!
//! Nothing here knows what an option means.

mod async_trait;
mod function;
mod options;
mod parsed;

pub(crate) use self::async_trait::AsyncTraitBody;
pub(crate) use self::function::{Body, Function, is_closure};
pub(crate) use self::options::{Arguments, ParsedOption, Value};
pub(crate) use self::parsed::{Parsed, parse};
