//! [`Probe`]: the number of a call that an open circuit lets through.

/// The number of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Probe(pub(super) u64);
