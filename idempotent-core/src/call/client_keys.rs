//! What a key that a client chooses must not be, checked where code is generated.

use crate::model::Key;

/// Keeps a key from compiling that needs an owner and has none. It is evaluated when code is generated, where
/// every type is known, so no tuple, reference or generic function hides such a key.
pub(crate) const fn assert_needs_no_owner<K: Key + ?Sized>() {
    assert!(
        !K::CHOSEN_BY_CLIENT,
        "this key is chosen by the client, and another client can choose the same one. Say whose it is, with \
         `scope = …` in the attribute, or `operation.scope(&owner).key(&key)`. If all clients share their keys, \
         write `global_scope`, or `operation.global_scope().key(&key)`; keys that can be guessed are then refused."
    );
}

/// Keeps a scope from compiling that says nothing about who the caller is.
pub(crate) const fn assert_owner<K: Key + ?Sized>() {
    assert!(
        !K::CHOSEN_BY_CLIENT_AS_SCOPE,
        "this scope is a key that the client chooses, so it does not say who the client is. Give the caller as \
         your authentication established it."
    );
}
