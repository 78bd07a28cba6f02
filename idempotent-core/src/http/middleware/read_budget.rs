//! How many request bodies, and how many of their bytes, are held at once, over all clones of a layer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layer_limits::LayerLimits;
use crate::http::problem::Problem;
use crate::model::{IdHasher, KeyParts};

/// One scope may hold one part in so many of the budget.
const SCOPE_PART: usize = 4;

/// A power of two, and more than the threads that are likely to count at the same time.
const SHARDS: usize = 16;

/// The budget of all bodies that are being read, or wait for what their key says.
#[derive(Debug)]
pub(super) struct ReadBudget {
    max_bytes: usize,
    bodies: AtomicUsize,
    bytes: AtomicUsize,
    owners: RandomState,
    /// By a hash of the scope. A scope that holds nothing takes no memory.
    scopes: [Mutex<Parts>; SHARDS],
}

type Parts = HashMap<u64, Part, IdHasher>;

/// What one scope holds.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    bodies: usize,
    bytes: usize,
}

/// The part of one body. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    budget: Arc<ReadBudget>,
    scope: Option<u64>,
    bytes: usize,
    /// Whether the body takes one of the places of those that are being read.
    is_read: bool,
}

/// What a body says of itself before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// The least that it has, in bytes.
    pub(super) bytes: usize,
    /// The largest body that is read, in bytes.
    pub(super) limit: usize,
}

/// Why a body is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// As many bodies are being read as may be.
    Overloaded,
    /// Its scope holds as much as one scope may.
    ScopeOverloaded,
    /// Too little is left of the budget.
    BudgetExhausted,
}

impl From<NoRoom> for Problem {
    fn from(reason: NoRoom) -> Self {
        match reason {
            NoRoom::Overloaded => Self::overloaded(),
            NoRoom::ScopeOverloaded => Self::too_many_calls(),
            NoRoom::BudgetExhausted => Self::read_budget_exhausted(),
        }
    }
}

impl ReadBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        let hasher = IdHasher::random();
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self {
            max_bytes,
            bodies: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            owners: RandomState::new(),
            scopes: std::array::from_fn(shard),
        }
    }

    /// A place for one body, which holds nothing yet, if there would be room for all that it has announced.
    pub(super) fn enter(
        self: &Arc<Self>,
        owner: Option<&KeyParts>,
        limits: &LayerLimits,
        announced: Announced,
    ) -> Result<HeldBytes, NoRoom> {
        let scope = owner.map(|owner| self.owners.hash_one(owner.encoded()));
        if !add(&self.bodies, 1, limits.in_flight) {
            return Err(NoRoom::Overloaded);
        }
        // From here on it gives back what it has taken.
        let mut held = HeldBytes { budget: Arc::clone(self), scope: None, bytes: 0, is_read: true };
        if let Some(scope) = scope {
            let mut parts = self.parts(scope);
            let part = parts.get(&scope).copied().unwrap_or_default();
            if part.bodies >= limits.in_flight_of_a_scope()
                || exceeds(part.bytes, announced.bytes, self.max_of_a_scope(announced.limit))
            {
                return Err(NoRoom::ScopeOverloaded);
            }
            parts.entry(scope).or_default().bodies += 1;
            held.scope = Some(scope);
        }
        if exceeds(self.bytes.load(Ordering::Relaxed), announced.bytes, self.max_bytes) {
            return Err(NoRoom::BudgetExhausted);
        }
        Ok(held)
    }

    /// What one scope may hold: never less than one body of `limit` bytes.
    fn max_of_a_scope(&self, limit: usize) -> usize {
        // Buffers may be twice as large as what they hold.
        (self.max_bytes / SCOPE_PART).max(limit.saturating_mul(2))
    }

    fn parts(&self, scope: u64) -> MutexGuard<'_, Parts> {
        // Nothing panics while it holds the lock.
        self.scopes[scope as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether so many more would be too many.
fn exceeds(held: usize, more: usize, max: usize) -> bool {
    held.checked_add(more).is_none_or(|sum| sum > max)
}

/// Adds so many, unless that exceeds the limit. Returns whether it did.
fn add(held: &AtomicUsize, more: usize, max: usize) -> bool {
    let sum = |held| (!exceeds(held, more, max)).then(|| held + more);
    held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
}

impl HeldBytes {
    /// Holds so many bytes in all, or as many as before if there is no room for them. If the body is complete
    /// with them, its place is given back.
    pub(super) fn grow_to(
        &mut self,
        bytes: usize,
        limit: usize,
        is_complete: bool,
    ) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(self.bytes);
        let places = usize::from(is_complete && self.is_read);
        if (more, places) == (0, 0) {
            return Ok(());
        }
        if let Some(scope) = self.scope {
            let max = self.budget.max_of_a_scope(limit);
            let mut parts = self.budget.parts(scope);
            let part = parts.entry(scope).or_default();
            if exceeds(part.bytes, more, max) {
                return Err(NoRoom::ScopeOverloaded);
            }
            if !add(&self.budget.bytes, more, self.budget.max_bytes) {
                return Err(NoRoom::BudgetExhausted);
            }
            part.bytes += more;
            part.bodies -= places;
        } else if !add(&self.budget.bytes, more, self.budget.max_bytes) {
            return Err(NoRoom::BudgetExhausted);
        }
        self.budget.bodies.fetch_sub(places, Ordering::Relaxed);
        self.bytes += more;
        self.is_read &= !is_complete;
        Ok(())
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        let places = usize::from(self.is_read);
        self.budget.bodies.fetch_sub(places, Ordering::Relaxed);
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let Some(scope) = self.scope else { return };
        if let Entry::Occupied(mut part) = self.budget.parts(scope).entry(scope) {
            part.get_mut().bodies -= places;
            part.get_mut().bytes -= self.bytes;
            if (part.get().bodies, part.get().bytes) == (0, 0) {
                part.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> KeyParts {
        let mut parts = KeyParts::default();
        parts.push(name);
        parts
    }

    fn limits(in_flight: usize, of_a_scope: usize) -> LayerLimits {
        LayerLimits { in_flight, in_flight_per_scope: Some(of_a_scope), ..LayerLimits::default() }
    }

    const NOTHING: Announced = announced(0, 10);

    const fn announced(bytes: usize, limit: usize) -> Announced {
        Announced { bytes, limit }
    }

    #[test]
    fn all_bodies_together_hold_no_more_than_the_budget() {
        let budget = Arc::new(ReadBudget::new(10));
        let enter = |bytes| budget.enter(None, &LayerLimits::default(), announced(bytes, 10));
        let (mut one, mut other) = (enter(0).unwrap(), enter(0).unwrap());
        one.grow_to(6, 10, false).unwrap();
        one.grow_to(4, 10, false).unwrap();
        assert_eq!(other.grow_to(5, 10, false), Err(NoRoom::BudgetExhausted));
        other.grow_to(4, 10, false).unwrap();
        assert_eq!(enter(1).unwrap_err(), NoRoom::BudgetExhausted);
        drop(one);
        other.grow_to(10, 10, true).unwrap();
        drop(other);
        enter(10).unwrap();
    }

    #[test]
    fn a_scope_holds_no_more_than_its_part_and_one_body_always() {
        let budget = Arc::new(ReadBudget::new(100));
        let enter =
            |name| budget.enter(Some(&owner(name)), &LayerLimits::default(), NOTHING).unwrap();
        let (mut one, mut two) = (enter("a"), enter("a"));
        one.grow_to(20, 10, false).unwrap();
        assert_eq!(two.grow_to(6, 10, false), Err(NoRoom::ScopeOverloaded));
        two.grow_to(5, 10, false).unwrap();
        enter("b").grow_to(25, 10, true).unwrap();
        drop(one);
        two.grow_to(25, 10, true).unwrap();
        drop(two);
        assert!(budget.scopes.iter().all(|parts| parts.lock().unwrap().is_empty()));
        enter("a").grow_to(80, 40, false).unwrap();
    }

    #[test]
    fn places_are_bounded_for_all_and_for_a_scope() {
        let budget = Arc::new(ReadBudget::new(100));
        let enter = |name| budget.enter(Some(&owner(name)), &limits(3, 2), NOTHING);
        let held = (enter("a").unwrap(), enter("a").unwrap());
        assert_eq!(enter("a").unwrap_err(), NoRoom::ScopeOverloaded);
        let _other = enter("b").unwrap();
        assert_eq!(enter("c").unwrap_err(), NoRoom::Overloaded);
        let (mut one, another) = held;
        one.grow_to(0, 10, true).unwrap();
        one.grow_to(0, 10, true).unwrap();
        let next = enter("a").unwrap();
        drop((one, another, next));
        enter("a").unwrap();
        assert_eq!(budget.bodies.load(Ordering::Relaxed), 1);
    }
}
