//! An owner that slept through its lease in a step that is *at most once*, and another run that finds the step in doubt.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::engine::{Inspection, Recovery, Resolution};
use idempotent_core::store::{Scan, State, StoreErrorKind};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Store};
use idempotent_servers::{Postgres, Redis, Server, require};
use idempotent_tests::{Log, Runs};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::patient;
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

/// The same of a run that finds it begun.
async fn recharge(shop: &Shop) -> Result<u32, Error> {
    charge(shop, &Notify::new(), &Notify::new()).await
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
        Self::sleep_through_the_lease(shop, owner, &began, enough).await
    }

    /// The same of a call that recovery may resume.
    async fn fall_asleep_with_input(shop: &Shop) -> Self {
        shop.store().inject(StoreMethod::Renew, When::Always, Fault::Fail);
        let (began, enough) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (here, starts, wakes) = (shop.clone(), Arc::clone(&began), Arc::clone(&enough));
        let owner = tokio::spawn(async move {
            let call = Operation::new("checkout").lease(LEASE).key("order 7").resume("the order");
            let call = call.engine(&here.test.engine()).returning::<Result<u32, Error>>();
            call.run(|| charge(&here, &starts, &wakes)).await
        });
        Self::sleep_through_the_lease(shop, owner, &began, enough).await
    }

    async fn sleep_through_the_lease(
        shop: &Shop,
        owner: JoinHandle<Result<u32, Error>>,
        began: &Notify,
        enough: Arc<Notify>,
    ) -> Self {
        began.notified().await;
        shop.let_lease_lapse();
        tokio::time::advance(LEASE * 2).await;
        Self { owner, enough }
    }

    /// Its caller may get its result or not: the call is another run's.
    async fn wake(self) -> Result<u32, Error> {
        self.enough.notify_one();
        self.owner.await.unwrap()
    }
}

async fn state(shop: &Shop) -> State {
    shop.test.engine().scan(&Scan::all()).await.unwrap().entries[0].state()
}

async fn assert_goes_on_by_itself(shop: &Shop) {
    assert_eq!(state(shop).await, State::Suspended);
    assert_eq!(shop.call(|| recharge(shop)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

async fn assert_waits(shop: &Shop) {
    assert_eq!(state(shop).await, State::Indeterminate);
    let refused = shop.call(|| recharge(shop)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate, "{refused}");
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_that_settles_its_step_has_the_call_go_on_that_waits_for_it() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    let doubtful = shop.call(|| recharge(&shop)).await.unwrap_err();
    assert_eq!(doubtful.kind(), ErrorKind::Indeterminate);
    assert_waits(&shop).await;
    let _ = sleeper.wake().await;
    assert_goes_on_by_itself(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_that_settles_its_step_before_its_doubt_is_written_leaves_none() {
    let (log, _listening) = Log::listen();
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    let (found, go_on) = (Notify::new(), Notify::new());
    let doubtful = shop.call(|| async {
        let doubtful = recharge(&shop).await;
        found.notify_one();
        go_on.notified().await;
        doubtful
    });
    let settled = async {
        found.notified().await;
        let _ = sleeper.wake().await;
        assert_eq!(state(&shop).await, State::Reserved);
        go_on.notify_one();
    };
    let (doubtful, ()) = tokio::join!(doubtful, settled);
    assert_eq!(doubtful.unwrap_err().kind(), ErrorKind::Indeterminate);
    // What its span and the metrics say became of the key.
    let calls = log.calls();
    let ends: Vec<_> = calls.iter().map(|call| call.field("disposition")).collect();
    assert!(ends.contains(&"suspended") && !ends.contains(&"indeterminate"), "{ends:?}");
    assert_goes_on_by_itself(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_that_dies_once_it_has_settled_its_step_has_the_call_go_on() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    shop.call(|| recharge(&shop)).await.unwrap_err();
    let settled = shop.store().calls(StoreMethod::WriteStep) + 1;
    shop.store().inject(StoreMethod::WriteStep, When::Nth(settled), Fault::HangAfter);
    sleeper.enough.notify_one();
    shop.store().until_answered(StoreMethod::WriteStep, settled).await;
    sleeper.owner.abort();
    assert_goes_on_by_itself(&shop).await;
}

/// Its lease is over, and a store takes its time all the same.
#[tokio::test(start_paused = true)]
async fn a_late_owner_waits_for_the_answer_that_its_step_is_settled() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    shop.call(|| recharge(&shop)).await.unwrap_err();
    let settled = shop.store().calls(StoreMethod::WriteStep) + 1;
    let slow = Fault::Delay(Duration::from_millis(300));
    shop.store().inject(StoreMethod::WriteStep, When::Nth(settled), slow);
    assert_eq!(sleeper.wake().await.unwrap(), 1);
    assert_goes_on_by_itself(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_tries_again_to_settle_its_step() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    shop.call(|| recharge(&shop)).await.unwrap_err();
    let settled = shop.store().calls(StoreMethod::WriteStep) + 1;
    shop.store().inject(StoreMethod::WriteStep, When::Nth(settled), Fault::Fail);
    assert_eq!(sleeper.wake().await.unwrap(), 1);
    assert_goes_on_by_itself(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_settles_a_step_before_its_late_owner_has_the_last_word() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep(&shop).await;
    shop.call(|| recharge(&shop)).await.unwrap_err();
    let engine = shop.test.engine();
    let found = engine.scan(&Scan::indeterminate()).await.unwrap().entries.remove(0);
    let seen = engine.inspect(found.id()).await.unwrap().unwrap();
    let step = seen.steps()[0].0;
    engine.resolve_step(&seen, &step, Resolution::completed(7_u32)).await.unwrap();
    sleeper.wake().await.unwrap_err();
    assert_eq!(shop.call(|| recharge(&shop)).await.unwrap(), 7);
    assert_eq!(shop.ledger.count("charge"), 1);
}

/// It has gone on with what was said first, which was wrong.
#[tokio::test(start_paused = true)]
async fn a_late_owner_completes_no_call_of_which_a_step_was_corrected_since() {
    let shop = Shop::new();
    let _first = Sleeper::fall_asleep(&shop).await;
    shop.call(|| recharge(&shop)).await.unwrap_err();
    let (engine, charge) = (shop.test.engine(), the_call_of(&shop).await.steps()[0].0);
    let wrong = Resolution::completed(5_u32);
    engine.resolve_step(&the_call_of(&shop).await, &charge, wrong).await.unwrap();
    let (told, enough) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (here, went_on, wakes) = (shop.clone(), Arc::clone(&told), Arc::clone(&enough));
    let owner = tokio::spawn(async move {
        let call = here.call(|| async {
            let charged = recharge(&here).await?;
            went_on.notify_one();
            wakes.notified().await;
            Ok(charged)
        });
        call.await
    });
    let second = Sleeper::sleep_through_the_lease(&shop, owner, &told, enough).await;
    let seen = the_call_of(&shop).await;
    engine.correct_step(&seen, &charge, Resolution::completed(9_u32)).await.unwrap();
    assert_eq!(second.wake().await.unwrap(), 5, "its caller gets what its body returned");
    assert_eq!(state(&shop).await, State::Suspended);
    assert_eq!(shop.call(|| recharge(&shop)).await.unwrap(), 9);
}

/// The shop's only call.
async fn the_call_of(shop: &Shop) -> Inspection {
    let engine = shop.test.engine();
    let found = engine.scan(&Scan::all()).await.unwrap().entries.remove(0);
    engine.inspect(found.id()).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_recovery_has_parked_does_not_go_on_when_a_late_owner_settles_its_step() {
    let shop = Shop::new();
    let sleeper = Sleeper::fall_asleep_with_input(&shop).await;
    let recovery = Recovery::new(&shop.test.engine()).poll_every(Duration::from_millis(10));
    // It cannot decode what the call was made with.
    let recovery = recovery.operation("checkout", |_: Vec<u32>| async {}).start().unwrap();
    while state(&shop).await != State::Indeterminate {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    recovery.stop().await;
    let _ = sleeper.wake().await;
    assert_eq!(state(&shop).await, State::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn a_call_at_most_once_does_not_go_on_when_a_late_owner_settles_its_step() {
    let shop = Shop::new();
    shop.store().inject(StoreMethod::Renew, When::Always, Fault::Fail);
    let (began, enough) = (Notify::new(), Notify::new());
    let strict = Operation::new("strict").guarantee(Guarantee::AtMostOnce).lease(LEASE).key("7");
    let engine = shop.test.engine();
    let strict = strict.engine(&engine).returning::<Result<u32, Error>>();
    let owner = strict.run(|| async {
        charge(&shop, &began, &enough).await?;
        std::future::pending().await
    });
    let observer = async {
        began.notified().await;
        shop.let_lease_lapse();
        tokio::time::advance(LEASE * 2).await;
        enough.notify_one();
        shop.store().until_answered(StoreMethod::WriteStep, 2).await;
        assert_eq!(state(&shop).await, State::Indeterminate);
    };
    tokio::select! {
        _ = owner => panic!("its body never ends"),
        () = observer => {}
    }
}

/// Nobody knows what the step did, and nobody knows what the call did beside it.
#[tokio::test]
async fn only_a_call_that_may_run_again_waits_for_its_steps_alone() {
    for (guarantee, expected) in [(Guarantee::AtLeastOnce, true), (Guarantee::AtMostOnce, false)] {
        let shop = Shop::new();
        let full = Fault::FailAs(StoreErrorKind::Full);
        // The step's beginning is written, and its result is not.
        shop.store().inject(StoreMethod::WriteStep, When::Nth(2), full);
        let engine = shop.test.engine();
        let call = Operation::new("checkout").guarantee(guarantee).lease(LEASE).key("7");
        let call = call.engine(&engine).returning::<Result<u32, Error>>();
        let (began, enough) = (Notify::new(), Notify::new());
        enough.notify_one();
        let refused = call.run(|| charge(&shop, &began, &enough)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Indeterminate);
        assert_eq!(state(&shop).await, State::Indeterminate);
        let id = engine.record_id("checkout", None, "7").unwrap();
        let kept = shop.store().load(&id).await.unwrap().unwrap();
        assert_eq!(kept.record.waits_for_steps(), expected);
    }
}

#[tokio::test]
async fn a_run_at_most_once_that_may_not_go_on_leaves_a_call_that_nobody_resumes() {
    let shop = Shop::new();
    let full = Fault::FailAs(StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::Nth(2), full);
    let strict = Operation::new("strict").guarantee(Guarantee::AtMostOnce).lease(LEASE).key("7");
    let engine = shop.test.engine();
    let strict = strict.engine(&engine).returning::<Result<u32, Error>>();
    let refused = strict.run(|| async {
        shop.ledger.note("beside the steps");
        Ok(shop.step("hold").await? + shop.step("print").await?)
    });
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(state(&shop).await, State::Indeterminate);
}

/// The same on a store that other processes share, which changes a record that an engine has sealed.
async fn a_late_owner_has_its_call_go_on(store: impl Store) {
    let store = FaultyStore::new(store).on(StoreMethod::Renew, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).secret([7; 32]).build();
    let (began, enough, runs) = (Notify::new(), Notify::new(), Runs::new());
    let call = |lease: Duration| {
        let call = Operation::new("checkout").lease(lease).key("order 7").engine(&engine);
        call.returning::<Result<usize, Error>>()
    };
    let charge = async || {
        let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let charged = step.returning::<Result<usize, Error>>().run(|| async {
            began.notify_one();
            enough.notified().await;
            Ok(runs.note())
        });
        charged.await
    };
    let owner = call(Duration::from_secs(4)).run(&charge);
    let others = async {
        began.notified().await;
        let doubtful = loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let refused = call(LEASE).run(&charge).await.unwrap_err();
            if refused.kind() != ErrorKind::InProgress {
                break refused;
            }
        };
        assert_eq!(doubtful.kind(), ErrorKind::Indeterminate, "{doubtful}");
        enough.notify_one();
    };
    let _ = tokio::join!(owner, others);
    let seen = engine.scan(&Scan::all()).await.unwrap().entries.remove(0);
    assert_eq!(seen.state(), State::Suspended);
    assert_eq!(call(LEASE).run(&charge).await.unwrap(), 1);
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn a_late_owner_on_sqlite_has_its_call_go_on() {
    let folder = TempDir::new().unwrap();
    let store = patient::sqlite(folder.path().join("calls.db")).await;
    a_late_owner_has_its_call_go_on(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_owner_on_postgres_has_its_call_go_on() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = patient::postgres(server.url()).await;
    a_late_owner_has_its_call_go_on(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_owner_on_redis_has_its_call_go_on() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = patient::redis(server.url()).await;
    a_late_owner_has_its_call_go_on(store).await;
}
