//! Make an async operation safe to repeat.
mod disposition;
mod error;
pub mod key;
pub mod record;
pub mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

pub use self::disposition::Disposition;
pub use self::error::{Error, ErrorKind};
pub use self::key::Key;
pub use self::record::{Guarantee, RecordId};
pub use self::store::Store;
