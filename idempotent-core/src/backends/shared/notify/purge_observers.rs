//! The observers who keep copies of a store's records and must hear of purges.

use std::sync::{Mutex, PoisonError, Weak};

use super::hash::Hash;
use crate::store::PurgeObserver;

/// The purge observers of one store.
#[derive(Default)]
pub(in crate::backends) struct PurgeObservers(Mutex<Vec<Weak<dyn PurgeObserver>>>);

impl PurgeObservers {
    pub(in crate::backends) fn add(&self, observer: Weak<dyn PurgeObserver>) {
        let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| observer.strong_count() > 0);
        observers.push(observer);
    }

    #[cfg(feature = "sqlite")]
    pub(in crate::backends) fn is_empty(&self) -> bool {
        let observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        observers.iter().all(|observer| observer.strong_count() == 0)
    }

    pub(in crate::backends) fn purged(&self, hash: &Hash) {
        self.tell(|observer| observer.purged(hash));
    }

    pub(in crate::backends) fn purges_missed(&self) {
        self.tell(|observer| observer.purges_missed());
    }

    fn tell(&self, event: impl Fn(&dyn PurgeObserver)) {
        // Called without the lock: an observer is somebody else's code.
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

    impl PurgeObserver for Counting {
        fn purged(&self, _: &Hash) {
            self.purged.fetch_add(1, Ordering::Relaxed);
        }

        fn purges_missed(&self) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_observer_hears_everything_for_as_long_as_it_lives() {
        let observers = PurgeObservers::default();
        let counting = Arc::new(Counting::default());
        let observer: Arc<dyn PurgeObserver> = counting.clone();
        observers.add(Arc::downgrade(&observer));
        observers.purged(&[1; 32]);
        observers.purges_missed();
        assert_eq!(counting.purged.load(Ordering::Relaxed), 1);
        assert_eq!(counting.missed.load(Ordering::Relaxed), 1);
        drop((observer, counting));
        observers.purges_missed();
        let another: Arc<dyn PurgeObserver> = Arc::new(Counting::default());
        observers.add(Arc::downgrade(&another));
        assert_eq!(observers.0.lock().unwrap().len(), 1, "who is gone is forgotten");
    }
}
