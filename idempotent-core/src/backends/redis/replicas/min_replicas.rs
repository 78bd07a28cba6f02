//! How many replicas must have a write.

use std::time::Duration;

/// How many replicas must have a write, and how much time they have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backends::redis) struct MinReplicas {
    pub(in crate::backends::redis) count: usize,
    pub(in crate::backends::redis) timeout: Duration,
}
