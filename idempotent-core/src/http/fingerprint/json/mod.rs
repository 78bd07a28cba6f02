//! A canonical form of JSON, for hashing.

mod canonical;
mod numbers;
mod object;
mod pointer;
mod text;

pub(super) use self::canonical::push_canonical;
pub(super) use self::pointer::Pointer;
