//! A group of servers that Sentinel watches: [`connector`] asks the sentinels which server is the
//! primary, [`failover`] hears from them when it is replaced, and [`replaced_primary`] is the one that
//! must not be used any more.

mod connector;
pub(super) mod failover;
mod replaced_primary;

pub(in crate::backends::redis) use self::connector::SentinelConnector;
