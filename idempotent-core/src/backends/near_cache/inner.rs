//! What the clones of a near cache share.

use std::sync::{Arc, Weak};

use super::copies::Copies;
use super::loading::Loading;
use crate::store::{PurgeObserver, Store};

pub(super) struct Inner<S> {
    pub(super) store: S,
    pub(super) copies: Arc<Copies>,
    pub(super) loading: Loading,
    pub(super) hears_purges: bool,
}

impl<S: Store> Inner<S> {
    pub(super) fn new(store: S, copies: Copies) -> Self {
        let copies = Arc::new(copies);
        let observer: Weak<Copies> = Arc::downgrade(&copies);
        let hears_purges = store.observe_purges(observer as Weak<dyn PurgeObserver>);
        Self { store, copies, loading: Loading::default(), hears_purges }
    }
}
