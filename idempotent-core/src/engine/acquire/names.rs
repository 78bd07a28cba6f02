//! The operation names that an engine has seen, and whether two operations share one.
//!
//! Two operations with one name share records: the second replays the first one's results. This is
//! found when the second is called, and the check must cost almost nothing.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::engine::settings::Settings;
use crate::error::{Error, ErrorKind};
use crate::model::{Operation, name_fault};

const SLOTS: usize = 256;

/// The operation names of one engine.
pub(in crate::engine) struct OperationNames {
    /// Call sites that passed the check, each in the slot of its mark.
    checked: Box<[AtomicU64; SLOTS]>,
    sites: Mutex<HashMap<&'static str, Site>>,
}

struct Site {
    first: &'static Location<'static>,
    reported: bool,
}

impl Default for OperationNames {
    fn default() -> Self {
        let checked = Box::new([const { AtomicU64::new(0) }; SLOTS]);
        Self { checked, sites: Mutex::default() }
    }
}

impl OperationNames {
    /// Refuses an invalid name and, under `strict_names`, a default name or a shared one.
    pub(super) fn check(&self, operation: &Operation, settings: &Settings) -> Result<(), Error> {
        let mark = mark(operation);
        let slot = &self.checked[mark as usize % SLOTS];
        if slot.load(Ordering::Relaxed) == mark {
            return Ok(());
        }
        let refuse =
            |why: String| Err(Error::new(ErrorKind::Misconfigured, operation.name).detail(why));
        if let Some(fault) = name_fault(operation.name) {
            return refuse(fault.to_owned());
        }
        if settings.strict_names && !operation.named {
            return refuse("strict_names() requires an explicit `name`".to_owned());
        }
        if let Some(other) = self.other_site(operation) {
            if settings.strict_names {
                return refuse(format!("the operation at {other} has the same name"));
            }
        }
        slot.store(mark, Ordering::Relaxed);
        Ok(())
    }

    /// Another call site with the same name. It is logged the first time it is seen.
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
                "two operations share a name and therefore records: give one of them another `name`"
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
