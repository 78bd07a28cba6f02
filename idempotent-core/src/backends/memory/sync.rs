//! The locks and atomics of this store. `tests/tests/loom_memory` replaces them with loom's to
//! explore every interleaving.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard};
