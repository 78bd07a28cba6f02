//! What the stores on databases of sqlx share: sqlx's own transactions as those of a caller, the
//! savepoint of a call within one, and what it means that one lost to another. What a database answers
//! is each store's own business.

mod conflict;
mod savepoint;
mod transaction;

pub use self::conflict::is_conflict;
pub(super) use self::savepoint::{GONE, savepoint};
