//! Code that several of the backends share.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) mod background;
#[cfg(feature = "moka")]
pub(in crate::backends) mod cache;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(in crate::backends) mod credentials;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) mod durations;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(in crate::backends) mod first_connection;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) mod hex;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(in crate::backends) mod local_host;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(in crate::backends) mod notify;
#[cfg(any(feature = "moka", feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) mod retention;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(in crate::backends) mod server_settings;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(in crate::backends) mod sql;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(in crate::backends) mod url_problem;
