//! What the stores on databases of sqlx share: sqlx's own transactions as those of a caller, and what
//! it means that one lost to another. What a database answers is each store's own business.

mod conflict;
mod transaction;

pub use self::conflict::is_conflict;
