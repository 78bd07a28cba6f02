//! The connections to the servers.
//!
//! [`client`] sends one command at a time, within limits of time and number ([`limits`]), to the
//! primary of a key or to one node ([`request`], [`node`]). It uses the connections that [`active`]
//! holds and replaces; [`connector`] knows where the servers are and makes them, with [`standalone`],
//! [`sentinel`] and [`cluster`] for the three kinds of deployment, and [`login`], [`credentials`] and
//! [`url`] for what the application configured. [`any_connection`] is one of them, [`dedicated`] makes those that
//! somebody needs alone, because they block or subscribe.
//!
//! [`partition`] assigns commands to connections, [`health`] notices when one of them goes silent, and
//! [`write_coalescing`] lets commands of several tasks leave in one write.

mod active;
mod any_connection;
mod client;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connector;
mod credentials;
mod dedicated;
mod health;
mod limits;
mod login;
mod node;
mod partition;
mod request;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod standalone;
mod url;
mod write_coalescing;

pub(super) use self::any_connection::AnyConnection;
pub(super) use self::client::Client;
#[cfg(feature = "redis-cluster")]
pub(super) use self::cluster::{ClusterConnector, SLOTS, SlotRange, slot_of, tag_of, tags_of};
pub(super) use self::connector::Connector;
pub(super) use self::credentials::ChangingLogin;
pub(super) use self::limits::Limits;
pub(super) use self::login::Login;
pub(super) use self::node::Node;
pub(super) use self::request::Retry;
#[cfg(feature = "redis-sentinel")]
pub(super) use self::sentinel::SentinelConnector;
pub(super) use self::standalone::StandaloneConnector;
pub(super) use self::url::{parse_url, prepare_tls};
