//! [`Key`]: the types that can identify a call, and [`AnyKey`], which is all of them.

use super::parts::{KeyParts, KeyProblem};

/// A type that can be an idempotency key, a part of one, or a scope.
///
/// Strings, integers, `bool`, `char`, bytes and [`fmt::Arguments`](std::fmt::Arguments) are keys; with the
/// feature `uuid` also `uuid::Uuid`, and with `http` also `http::HeaderValue`. So are references to keys,
/// tuples of keys, and `Option`s of keys; a `None` is refused with
/// [`ErrorKind::MissingKey`](crate::ErrorKind::MissingKey). Keys are compared by their text: `42` and `"42"`
/// are the same key, so an id may change its type in the code and still find its records. Floats are not
/// keys, because equal amounts need not be equal floats: take cents, or an id.
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
    note = "write the part that identifies the call, such as `order.id`, or `order.0` of a wrapper such as axum's `Path`, or `value.to_string()`, or `content(&value)` for whatever is `Serialize`, or implement `idempotent_core::Key`",
    note = "what an `async fn` returns must be awaited, as in `find(&order).await`"
)]
// Below the notes that teach: most types have nothing to do with a feature, and notes are shown in this order.
#[cfg_attr(
    not(feature = "uuid"),
    diagnostic::on_unimplemented(
        note = "`uuid::Uuid` is a key with the feature `uuid` of `idempotent-core`, which is off: add `features = [\"uuid\"]`"
    )
)]
#[cfg_attr(
    not(feature = "http"),
    diagnostic::on_unimplemented(
        note = "`http::HeaderValue` is a key with the feature `http` of `idempotent-core`, which is off: add `features = [\"http\"]`"
    )
)]
pub trait Key {
    /// Whether a client of the service chooses this key, or a part of it, as it does an
    /// `Idempotency-Key`. Another client can then choose the same one, so such a key compiles only with a
    /// [scope](crate::Operation::scope), or with a [global scope](crate::Operation::global_scope) in words.
    /// It is no scope itself.
    ///
    /// Set it for keys of your own that come from outside as they are. A struct that contains one says what
    /// its field's type says: `const CHOSEN_BY_CLIENT: bool = IdempotencyKey::CHOSEN_BY_CLIENT;`.
    const CHOSEN_BY_CLIENT: bool = false;

    /// Whether a client also chooses it where it is a scope. The header of a request, for instance, is chosen by
    /// the client as an idempotency key, and set by a gateway as a tenant.
    const CHOSEN_BY_CLIENT_AS_SCOPE: bool = Self::CHOSEN_BY_CLIENT;

    /// Appends the parts of this key to `parts`.
    fn write(&self, parts: &mut KeyParts);

    /// Whether a client chose this key, or a part of it, so that somebody else could guess it. Such a key is
    /// [invalid](crate::ErrorKind::InvalidKey) in the [global scope](crate::Operation::global_scope); nothing
    /// else asks.
    fn is_guessable(&self) -> bool {
        false
    }
}

/// A key of any type, where it does not matter which. Every [`Key`] is one.
///
/// ```
/// use idempotent_core::model::{AnyKey, RecordId};
///
/// let id = |scope: Option<&dyn AnyKey>| RecordId::of("shop.charge", scope, &42).unwrap();
/// assert_ne!(id(None), id(Some(&"acme")));
/// ```
pub trait AnyKey {
    /// The same as [`Key::write`].
    fn append_to(&self, parts: &mut KeyParts);
}

#[diagnostic::do_not_recommend]
impl<K: Key + ?Sized> AnyKey for K {
    fn append_to(&self, parts: &mut KeyParts) {
        self.write(parts);
    }
}

impl KeyParts {
    /// Collects the parts of a key.
    pub(crate) fn of(key: &(impl AnyKey + ?Sized)) -> Result<Self, KeyProblem> {
        let mut parts = Self::default();
        key.append_to(&mut parts);
        parts.checked()
    }

    /// Collects the parts of a key that is valid only if nobody could guess it.
    pub(crate) fn of_unguessable(key: &(impl Key + ?Sized)) -> Result<Self, KeyProblem> {
        match Self::of(key) {
            Ok(_) if key.is_guessable() => Err(KeyProblem::Guessable),
            parts => parts,
        }
    }
}
