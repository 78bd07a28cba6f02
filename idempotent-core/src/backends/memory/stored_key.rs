//! [`StoredKey`]: the key under which a completed record is found.

use std::borrow::Borrow;
use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use super::stored_result::StoredResult;
use crate::backends::shared::cache::Hash;

/// The id of a record, as a part of what is stored: moka allocates every key, and 32 bytes are stored once
/// already.
pub(super) struct StoredKey(pub(super) Arc<StoredResult>);

impl Borrow<Hash> for StoredKey {
    fn borrow(&self) -> &Hash {
        &self.0.id
    }
}

impl PartialEq for StoredKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for StoredKey {}

impl StdHash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}
