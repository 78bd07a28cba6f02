//! A cache of another store's completed records, in this process's memory.
//!
//! [`store`] passes every transition on to the store inside and answers replays from [`copies`].
//! Where the store's answer does not say when a record expires, [`load_expiry`] asks for it.

mod builder;
mod copies;
mod inner;
mod load_expiry;
mod loading;
mod store;

pub use self::builder::NearCacheBuilder;
pub use self::store::NearCache;
