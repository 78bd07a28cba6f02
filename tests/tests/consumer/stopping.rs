//! Stopping: what runs finishes, and what has not started is given back.

use idempotent_core::consumer::{Consumer, ConsumerError, DeliveryOutcome, SourceErrorKind};
use idempotent_core::consumer::{Delivery, Needs, Source, SourceError, Terms};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::{millis, secs};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

use crate::effects::{Effects, Ends, Running, engine, until};

#[tokio::test]
async fn handlers_that_run_finish_and_what_has_not_started_is_given_back_at_once() {
    let broker = TestBroker::with_deadline(secs(300));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(false));
    let (seen, finished) = (effects.clone(), finish.subscribe());
    let builder = Consumer::builder("shop.ship", &engine()).concurrency(2);
    let consumer = ends.watch(builder).handler(move |it: String| {
        let (seen, mut finished) = (seen.clone(), finished.clone());
        async move {
            let _ = finished.wait_for(|it| *it).await;
            seen.add(&it);
            Ok::<_, String>(())
        }
    });
    for number in 0..6 {
        broker.publish(format!("{number}"), format!("{number}"));
    }
    let mut running = Running::start(&consumer, broker.source().prefetching(2));
    until(|| broker.deliveries() >= 3).await;
    running.tell_to_stop();
    tokio::time::sleep(millis(50)).await;
    finish.send_replace(true);
    running.stop().await.unwrap();
    let handled = effects.all().len();
    assert!((1..=2).contains(&handled), "{handled} were running");
    assert_eq!(broker.completed().len(), handled);
    // Somebody else gets the rest at once, long before the deadline.
    let rest = broker.until_settled(6);
    tokio::time::timeout(secs(30), consumer.run(broker.source(), rest)).await.unwrap().unwrap();
    assert_eq!(effects.all().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_finish_in_time_is_dropped_and_runs_again_after_its_lease() {
    let broker = TestBroker::with_deadline(secs(4));
    let (effects, ends) = (Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine()).stop_within(millis(100));
    let consumer = ends.watch(builder).lease(millis(1500)).handler(move |it: String| {
        let tries = seen.add(&it);
        async move {
            if tries == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Interrupted]);
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("tea"), 2);
}

#[tokio::test]
async fn a_broker_that_is_gone_does_not_keep_a_consumer_from_stopping() {
    let broker = TestBroker::new();
    let effects = Effects::default();
    let consumer = crate::effects::counting(&engine(), &effects);
    let running = Running::start(&consumer, broker.source());
    broker.set_away(true);
    tokio::time::timeout(secs(30), running.stop()).await.unwrap().unwrap();
}

/// A source that is deleted while its first message is handled.
struct Deleted {
    source: Option<idempotent_core::testing::sources::TestSource>,
    effects: Effects,
}

#[idempotent_core::async_trait]
impl Source for Deleted {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        self.source.as_mut().unwrap().start(needs).await
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        match self.source.take() {
            Some(mut source) => source.next(room).await,
            None => {
                until(|| self.effects.of("tea") == 1).await;
                Err(SourceError::gone("it was deleted"))
            }
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_source_that_is_gone_ends_the_consumer_after_its_handlers() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    broker.publish("7", "tea");
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).handler(move |it: String| {
        seen.add(&it);
        async {
            tokio::time::sleep(millis(100)).await;
            Ok::<_, String>(())
        }
    });
    let source = Deleted { source: Some(broker.source()), effects };
    let error = consumer.run(source, std::future::pending()).await.unwrap_err();
    match error {
        ConsumerError::Source(error) => assert_eq!(error.kind(), SourceErrorKind::Gone),
        error => panic!("{error}"),
    }
    assert_eq!(broker.completed(), ["7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_its_thread_does_not_keep_a_consumer_from_stopping() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let (seen, blocked) = (effects.clone(), Arc::new(Mutex::new(blocked)));
    let builder = Consumer::builder("shop.ship", &engine()).stop_within(millis(10));
    let consumer = builder.handler(move |it: String| {
        let (seen, blocked) = (seen.clone(), Arc::clone(&blocked));
        async move {
            seen.add(&it);
            let _ = blocked.lock().unwrap().recv();
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    let stopped = tokio::time::timeout(secs(60), running.stop()).await;
    let unsettled = broker.unsettled();
    drop(unblock);
    stopped.expect("it stops").unwrap();
    assert_eq!(unsettled, 1);
}
