//! [`Key`]: the types that can identify a call.

use super::parts::{KeyParts, KeyProblem};

/// A type that can be an idempotency key, a part of one, or a scope.
///
/// Strings, integers, `bool`, `char`, bytes, [`fmt::Arguments`](std::fmt::Arguments) and, with the
/// feature `uuid`, `uuid::Uuid` are keys. So are references to keys, tuples of keys, and `Option`s
/// of keys; a `None` is refused with [`ErrorKind::MissingKey`](crate::ErrorKind::MissingKey). Keys
/// are compared by their text: `42` and `"42"` are the same key, so an id may change its type in
/// the code and still find its records. Floats are not keys, because equal amounts need not be
/// equal floats.
///
/// To make a type of your own a key, write the keys that it consists of:
///
/// ```
/// use idempotent_core::model::{Key, KeyParts};
///
/// struct OrderId { shop: u32, number: u64 }
///
/// impl Key for OrderId {
///     fn write(&self, parts: &mut KeyParts) {
///         self.shop.write(parts);
///         self.number.write(parts);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an idempotency key",
    label = "not a key",
    note = "a key can be a string, an integer, a `bool`, a `char`, bytes, or a tuple, a reference or an `Option` of keys",
    note = "write the part that identifies the call, such as `order.id`, or `value.to_string()`, or implement `idempotent_core::Key`"
)]
pub trait Key {
    /// Appends the parts of this key to `parts`.
    fn write(&self, parts: &mut KeyParts);
}

impl KeyParts {
    /// Collects the parts of a key.
    pub(crate) fn of(key: &(impl Key + ?Sized)) -> Result<Self, KeyProblem> {
        let mut parts = Self::default();
        key.write(&mut parts);
        parts.checked()
    }
}
