//! Floats, which are no keys: the compiler says so, and what to write instead.

use std::marker::PhantomData;

use super::{Key, KeyParts};

/// A float. Its lifetime makes the compiler report a float where it is used as a key. Without a parameter, a
/// bound that never holds is an error where the `impl` is written.
#[derive(Debug)]
pub struct Float<'a>(PhantomData<&'a ()>);

/// A number that is equal to itself however it was computed. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "floats are no keys: use cents, or an id",
    label = "a float",
    note = "equal amounts need not be equal floats, so a retry might have another key: write an integer, such as cents, or the part that identifies the call, such as `order.id`"
)]
pub trait Exact {}

#[doc(hidden)]
impl Key for f64
where
    for<'a> Float<'a>: Exact,
{
    fn write(&self, parts: &mut KeyParts) {
        parts.push_missing();
    }
}

#[doc(hidden)]
impl Key for f32
where
    for<'a> Float<'a>: Exact,
{
    fn write(&self, parts: &mut KeyParts) {
        parts.push_missing();
    }
}
