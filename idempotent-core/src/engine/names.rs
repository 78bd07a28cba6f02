//! Which names an engine has seen, and whether two operations share one.
//!
//! Two operations of one name share records: the second replays the first one's results. That is
//! found at their second call, and must cost the hot path next to nothing.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Settings;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::record::name_fault;

const SLOTS: usize = 256;

/// The names of one engine.
pub(super) struct Names {
    /// Call sites that were found good, each in the slot of its own mark.
    good: Box<[AtomicU64; SLOTS]>,
    sites: Mutex<HashMap<&'static str, Site>>,
}

struct Site {
    first: &'static Location<'static>,
    reported: bool,
}

impl Default for Names {
    fn default() -> Self {
        let good = Box::new([const { AtomicU64::new(0) }; SLOTS]);
        Self { good, sites: Mutex::default() }
    }
}

impl Names {
    /// Refuses a name that cannot be one, and under `strict_names` a default or a shared one.
    pub(super) fn check(&self, operation: &Operation, settings: &Settings) -> Result<(), Error> {
        let mark = mark(operation);
        let slot = &self.good[mark as usize % SLOTS];
        if slot.load(Ordering::Relaxed) == mark {
            return Ok(());
        }
        let refuse =
            |why: String| Err(Error::new(ErrorKind::Misconfigured, operation.name).detail(why));
        if let Some(fault) = name_fault(operation.name) {
            return refuse(fault.to_owned());
        }
        if settings.strict_names && !operation.named {
            return refuse("strict_names() wants a `name` of the operation's own".to_owned());
        }
        if let Some(other) = self.other_site(operation) {
            if settings.strict_names {
                return refuse(format!("the operation at {other} has the same name"));
            }
        }
        slot.store(mark, Ordering::Relaxed);
        Ok(())
    }

    /// Another call site of the same name, reported the first time it is seen.
    fn other_site(&self, operation: &Operation) -> Option<&'static Location<'static>> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let site =
            sites.entry(operation.name).or_insert(Site { first: operation.site, reported: false });
        if site.first == operation.site {
            return None;
        }
        if !site.reported {
            site.reported = true;
            tracing::error!(
                operation = operation.name,
                first = %site.first,
                second = %operation.site,
                "two operations share a name, and so they share records: give one another `name`"
            );
        }
        Some(site.first)
    }
}

/// Tells call sites apart by the addresses of their name and location; never zero.
fn mark(operation: &Operation) -> u64 {
    let name = operation.name.as_ptr() as u64;
    let site = std::ptr::from_ref(operation.site) as u64;
    (name.rotate_left(32) ^ site).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) | 1
}
