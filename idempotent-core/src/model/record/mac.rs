//! [`MacKey`]: makes and checks the MAC of a record. Whoever can write to a store cannot make one without the
//! engine's secret.
//!
//! It is a keyed BLAKE3 hash of the record's bytes, from the layout to the end of the result, and of
//! the hash of its id, so a record is authentic only in its own place. What a store keeps beside the
//! bytes is not covered: when the lease lapses, and when the record expires.

use smallvec::SmallVec;

use super::envelope::RecordBytes;
use super::layout::{FLAGS, MAC_BYTES, flag};
use super::{RecordId, Secret, Token};

/// The context of the key's derivation. It changes whenever what the MAC covers does.
const CONTEXT: &str = "idempotent-core 2026-11 record authentication, layout 2";

/// A record of at most so many bytes is hashed in one call.
pub(super) const SMALL: usize = 480;

/// The key of records' MACs, derived from a secret: never the key of the hashes of ids.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MacKey([u8; blake3::KEY_LEN]);

/// The authenticity of a record, by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mac {
    /// It was written by somebody who has the key, under this id.
    Authentic,
    /// It was changed, belongs to another id, or was written with another key.
    Wrong,
    /// It has none.
    Missing,
}

impl MacKey {
    pub(crate) fn derive(Secret(secret): &Secret) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// Appends the MAC to the bytes of a record that has none.
    pub(super) fn seal(&self, id: &RecordId, bytes: &mut RecordBytes) {
        let flags = u16::from_le_bytes([bytes[FLAGS], bytes[FLAGS + 1]]) | flag::MAC;
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        // The id stands where the MAC will, so that one call hashes both.
        let end = bytes.len();
        bytes.extend_from_slice(id.hash());
        let mac = blake3::keyed_hash(&self.0, bytes);
        bytes[end..].copy_from_slice(mac.as_bytes());
    }

    /// Whether this is the MAC of a record's other bytes under `id`, compared in constant time.
    pub(super) fn verifies(&self, id: &RecordId, covered: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        // Most records are small, and the incremental hasher costs more to set up than they cost to copy.
        if covered.len() > SMALL {
            let mut hasher = blake3::Hasher::new_keyed(&self.0);
            return hasher.update(covered).update(id.hash()).finalize() == *mac;
        }
        let mut input = SmallVec::<[u8; SMALL + 32]>::from_slice(covered);
        input.extend_from_slice(id.hash());
        blake3::keyed_hash(&self.0, &input) == *mac
    }
}

impl MacKey {
    /// The MAC of a step's entry, in the journal of this name.
    pub(in crate::model) fn of_step(
        &self,
        covered: &[u8],
        journal: Token,
        step: &[u8; 32],
    ) -> [u8; MAC_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(covered).update(journal.as_bytes()).update(step);
        hasher.finalize().into()
    }
}

/// Says of bytes that they have no MAC.
pub(super) fn remove_flag(bytes: &mut [u8]) {
    bytes[FLAGS + 1] &= !((flag::MAC >> 8) as u8);
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(…)")
    }
}
