//! Serde values as MessagePack: the one form in which this crate writes results and payloads.
//!
//! The bytes are those of `rmp-serde` with named fields in serde's human-readable form, which also
//! reads them. Three things are decided here instead:
//!
//! * **Numbers of `serde_json`** are numbers in every build. With its feature
//!   `arbitrary_precision`, which any crate of a program can switch on, `serde_json` presents them as
//!   a struct with a private name, and processes built without it would read an object.
//! * **What cannot be read back is refused**: such numbers beyond 64 bits, `RawValue`, and more
//!   levels than are decoded.
//! * **Depth is bounded**, so that no value can exhaust the stack.

mod compound;
mod extension;
mod header;
mod output;
mod write;

pub(super) use self::output::{Purpose, RESULT_DEPTH, Serializer};
