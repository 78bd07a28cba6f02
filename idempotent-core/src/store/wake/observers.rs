//! Who keeps copies of this store's records, and hears of purges.

use std::sync::{Mutex, PoisonError, Weak};

use super::Hash;
use crate::store::Observer;

/// The observers of a store.
#[derive(Default)]
pub(in crate::store) struct Observers(Mutex<Vec<Weak<dyn Observer>>>);

impl Observers {
    pub(in crate::store) fn add(&self, observer: Weak<dyn Observer>) {
        let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| observer.strong_count() > 0);
        observers.push(observer);
    }

    #[cfg(feature = "sqlite")]
    pub(in crate::store) fn is_empty(&self) -> bool {
        let observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observers.iter().all(|observer| observer.strong_count() == 0)
    }

    pub(in crate::store) fn purged(&self, hash: &Hash) {
        self.tell(|observer| observer.purged(hash));
    }

    pub(in crate::store) fn missed(&self) {
        self.tell(|observer| observer.missed());
    }

    fn tell(&self, event: impl Fn(&dyn Observer)) {
        // Told without the lock: an observer is other people's code.
        let observers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        observers.iter().filter_map(Weak::upgrade).for_each(|observer| event(&*observer));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting {
        purged: AtomicUsize,
        missed: AtomicUsize,
    }

    impl Observer for Counting {
        fn purged(&self, _: &Hash) {
            self.purged.fetch_add(1, Ordering::Relaxed);
        }

        fn missed(&self) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_observer_hears_everything_for_as_long_as_it_lives() {
        let observers = Observers::default();
        let counting = Arc::new(Counting::default());
        let observer: Arc<dyn Observer> = counting.clone();
        observers.add(Arc::downgrade(&observer));
        observers.purged(&[1; 32]);
        observers.missed();
        assert_eq!(counting.purged.load(Ordering::Relaxed), 1);
        assert_eq!(counting.missed.load(Ordering::Relaxed), 1);
        drop((observer, counting));
        observers.missed();
        let another: Arc<dyn Observer> = Arc::new(Counting::default());
        observers.add(Arc::downgrade(&another));
        assert_eq!(observers.0.lock().unwrap().len(), 1, "who is gone is forgotten");
    }
}
