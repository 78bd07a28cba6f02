//! The locks and counters of this store. `tests/tests/loom_claims.rs` compiles the claims with
//! loom's instead, and tries their interleavings.

pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard};
