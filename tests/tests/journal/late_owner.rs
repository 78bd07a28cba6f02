//! An owner that slept through its lease, while it ran a step *at most once*, and another run that finds the step in doubt.

use std::sync::Arc;

use idempotent_core::store::{State, Store as _};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::shop::{LEASE, Shop};

/// Runs until it is told that it has slept enough.
async fn charge(shop: &Shop, began: &Notify, enough: &Notify) -> Result<u32, Error> {
    let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
    let charged = step.returning::<Result<u32, Error>>().run(|| async {
        shop.ledger.note("charge");
        began.notify_one();
        enough.notified().await;
        Ok(1)
    });
    charged.await
}

struct Sleeper {
    owner: JoinHandle<Result<u32, Error>>,
    enough: Arc<Notify>,
}

impl Sleeper {
    /// One whose lease is over, by its own clock and by the store's.
    async fn fall_asleep(shop: &Shop) -> Self {
        shop.store().inject(StoreMethod::Renew, When::Always, Fault::Fail);
        let (began, enough) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (here, starts, wakes) = (shop.clone(), Arc::clone(&began), Arc::clone(&enough));
        let owner = tokio::spawn(async move { here.call(|| charge(&here, &starts, &wakes)).await });
        began.notified().await;
        shop.let_lease_lapse();
        tokio::time::advance(LEASE * 2).await;
        Self { owner, enough }
    }

    async fn wake(self) {
        self.enough.notify_one();
        // Its caller may get its result or not: the call is another run's.
        let _ = self.owner.await.unwrap();
    }
}

async fn state(shop: &Shop) -> State {
    let id = idempotent_core::model::RecordId::of("checkout", None, "order 7").unwrap();
    shop.store().load(&id).await.unwrap().unwrap().state
}

async fn never(shop: &Shop) -> Result<u32, Error> {
    charge(shop, &Notify::new(), &Notify::new()).await
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_that_settles_its_step_has_the_call_go_on_that_waits_for_it() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    let doubtful = shop.call(|| never(&shop)).await.unwrap_err();
    assert_eq!(doubtful.kind(), ErrorKind::Indeterminate);
    assert_eq!(state(&shop).await, State::Indeterminate);
    sleeper.wake().await;
    assert_eq!(state(&shop).await, State::Suspended);
    assert_eq!(shop.call(|| never(&shop)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_settled_before_its_doubt_is_written_leaves_none() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    let (found, go_on) = (Notify::new(), Notify::new());
    let doubtful = shop.call(|| async {
        let doubtful = never(&shop).await;
        found.notify_one();
        go_on.notified().await;
        doubtful
    });
    let settled = async {
        found.notified().await;
        sleeper.wake().await;
        assert_eq!(state(&shop).await, State::Reserved);
        go_on.notify_one();
    };
    let (doubtful, ()) = tokio::join!(doubtful, settled);
    assert_eq!(doubtful.unwrap_err().kind(), ErrorKind::Indeterminate);
    assert_eq!(state(&shop).await, State::Suspended);
    assert_eq!(shop.call(|| never(&shop)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}
