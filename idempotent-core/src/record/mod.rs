//! What is kept of a call: its identity, its token, and the value a store keeps under it.
//!
//! Nothing here knows stores or the engine. The byte layout of a [`Record`] lives in
//! `envelope`; what the bytes of a result mean is the codec's business.

mod derived;
mod envelope;
mod fingerprint;
mod guarantee;
mod id;
mod outcome;
mod token;
mod value;

pub use self::derived::DerivedKey;
pub use self::envelope::Envelope;
pub use self::fingerprint::Fingerprint;
pub use self::guarantee::Guarantee;
pub use self::id::{InvalidRecordId, RecordId};
pub use self::outcome::{NotKept, Outcome};
pub use self::token::Token;
pub use self::value::{MalformedRecord, Record};

pub(crate) use self::envelope::RecordBytes;
pub(crate) use self::id::{Secret, name_fault};
