//! How long a command may take, and how many may be in flight.

use std::time::Duration;

/// The limits that a store keeps towards its servers.
#[derive(Clone, Copy, Debug)]
pub(in crate::backends::redis) struct Limits {
    /// The longest that one command may take, including the wait for a free place in flight and for
    /// a connection.
    pub(in crate::backends::redis) response_timeout: Duration,
    /// The longest that one attempt to connect may take.
    pub(in crate::backends::redis) connect_timeout: Duration,
    /// How many commands may be in flight at once.
    pub(in crate::backends::redis) in_flight: usize,
}
