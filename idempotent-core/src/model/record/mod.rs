//! What a store keeps of a call.
//!
//! `id` is a record's identity, and `token` tells one attempt from another. `value` is the record
//! itself, `envelope` the layout of its bytes, and `outcome` how far its call has come.
//! `fingerprint` is the digest of the payload. `derived_key` makes keys for other systems. What the
//! bytes of a result mean is up to the codec.

mod derived_key;
mod envelope;
mod fingerprint;
mod id;
mod outcome;
mod token;
mod value;

pub use self::derived_key::DerivedKey;
pub use self::envelope::Envelope;
pub(crate) use self::envelope::RecordBytes;
pub use self::fingerprint::Fingerprint;
pub use self::id::{InvalidRecordId, RecordId};
pub(crate) use self::id::{Secret, name_fault};
pub use self::outcome::{NotKept, Outcome};
pub use self::token::Token;
pub use self::value::{MalformedRecord, Record};
