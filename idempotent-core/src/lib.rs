//! Make an async operation safe to repeat.
#[doc(hidden)]
pub mod __private;
mod codec;
mod disposition;
mod engine;
mod error;
pub mod key;
mod operation;
pub mod record;
pub mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use idempotent_macros::idempotent;

pub use self::disposition::Disposition;
pub use self::engine::{
    AlreadyInUse, Builder, Idempotency, Inspection, InspectionPage, Resolution, install, with,
};
pub use self::error::{Error, ErrorKind};
pub use self::key::Key;
pub use self::operation::{
    Call, CallBuilder, Ended, FromError, Operation, Reservation, Returned, Started, Stored,
};
pub use self::record::{Guarantee, RecordId};
pub use self::store::Store;
