//! One server that accepts writes.

use std::fmt;

/// A primary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::backends::redis) enum Node {
    /// The only one, outside of a cluster.
    Only,
    /// One of a cluster's.
    #[cfg(feature = "redis-cluster")]
    At { host: String, port: u16 },
}

#[cfg(feature = "redis-cluster")]
impl Node {
    /// The node at an address of the form that [`Display`](fmt::Display) writes.
    pub(in crate::backends::redis) fn at(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Some(Self::At { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("primary"),
            #[cfg(feature = "redis-cluster")]
            Self::At { host, port } => write!(f, "{host}:{port}"),
        }
    }
}
