//! What a store keeps of a call.
//!
//! `id` is a record's identity, `scope_id` that of the scope it belongs to
//! (`scope_hash` makes it), and `token` tells one attempt from another. `value` is the record
//! itself (`malformed` is what is none), `layout` describes its bytes, and `envelope` is what it says about its call. `outcome` is
//! how far the call has come, `journaled` what a reservation says of its steps, `resumable` what it says of its input and of earlier runs, `lapse_code` what it says of its lapse, and `owner` what the call's owner last said about itself.
//! `scratch` is where a record is built. `mac` is what tells whether an engine's fleet wrote a record, and `seal` gives it to one.
//! `id_hasher` finds both kinds of identities in maps. `fingerprint` is the digest of the payload. `derived_key`
//! makes keys for other systems, and `result_types` names the types of the result, which `resolution` needs. What the
//! bytes of a result mean is up to the codec.

mod derived_key;
mod envelope;
mod fingerprint;
mod id;
mod id_hasher;
mod journaled;
mod lapse_code;
mod layout;
mod mac;
mod malformed;
mod outcome;
mod owner;
mod resolution;
mod result_types;
mod resumable;
mod scope_hash;
mod scope_id;
mod scratch;
mod seal;
mod token;
mod value;

pub use self::derived_key::DerivedKey;
pub use self::envelope::Envelope;
pub(crate) use self::envelope::RecordBytes;
pub use self::fingerprint::Fingerprint;
pub use self::id::{InvalidRecordId, RecordId};
pub(crate) use self::id::{Secret, name_fault};
pub(crate) use self::id_hasher::IdHasher;
pub(crate) use self::mac::{Mac, MacKey};
pub use self::malformed::MalformedRecord;
pub(super) use self::outcome::{KEPT, not_kept, not_kept_code};
pub use self::outcome::{NotKept, Outcome};
pub use self::owner::OwnerState;
pub use self::result_types::ResultTypes;
pub(crate) use self::resumable::Runs;
pub use self::scope_id::ScopeId;
pub(super) use self::scratch::Scratch;
pub use self::token::Token;
pub use self::value::Record;
