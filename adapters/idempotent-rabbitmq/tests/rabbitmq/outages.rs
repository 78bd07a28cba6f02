//! Brokers that restart, block, close channels and lose queues.

use std::num::NonZeroUsize;
use std::sync::Arc;

use idempotent_core::consumer::{Consumer, Needs, Source, Verdict};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_servers::{RabbitMq, Server, TcpProxy, require};
use tokio::sync::{Mutex, MutexGuard};

use crate::broker::{Brokered, CLASSIC, QUORUM, next};
use crate::effects::{Effects, Ends, Running, attempts, counting, engine, millis, secs, until};

/// The server that these tests break, one after the other.
static BREAKABLE: Mutex<Option<Arc<RabbitMq>>> = Mutex::const_new(None);

async fn breakable() -> (Arc<RabbitMq>, MutexGuard<'static, Option<Arc<RabbitMq>>>) {
    let mut server = BREAKABLE.lock().await;
    if server.is_none() {
        *server = Some(Arc::new(RabbitMq::start().await));
    }
    (server.clone().unwrap(), server)
}

/// Lets the broker have no memory for what is published, and waits until it has noticed.
async fn block(server: &RabbitMq) {
    server.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await;
    let noticed = async {
        while !server.ctl(&["eval", "rabbit_alarm:get_alarms()."]).await.contains("memory") {
            tokio::time::sleep(millis(200)).await;
        }
    };
    tokio::time::timeout(secs(60), noticed).await.expect("the broker raises an alarm");
}

async fn unblock(server: &RabbitMq) {
    server.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_is_waited_for_and_nothing_runs_twice() {
    require!(Server::RabbitMq);
    let (server, _lock) = breakable().await;
    let mut consumers = Vec::new();
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::on(Arc::clone(&server), kind).await;
        for number in 0..200 {
            brokered.publish(&format!("order-{number}"), &number.to_string()).await;
        }
        let effects = Effects::default();
        let counted = effects.clone();
        let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(3)).handler(
            move |payload: String| {
                counted.add(&payload);
                async {
                    tokio::time::sleep(millis(20)).await;
                    Ok::<_, String>(())
                }
            },
        );
        let running = Running::start(&consumer, brokered.source());
        consumers.push((brokered, running, effects));
    }
    until(|| consumers.iter().all(|(_, _, effects)| effects.all().len() >= 32)).await;
    server.restart().await;
    for (brokered, running, effects) in consumers {
        until(|| effects.all().len() == 200).await;
        // What is still to come could run a second time.
        brokered.until_counts((0, 0)).await;
        running.stop().await;
        assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_connection_is_lost_is_taken_back_and_not_settled_again_and_again() {
    require!(Server::RabbitMq);
    let (server, _lock) = breakable().await;
    let brokered = Brokered::on(Arc::clone(&server), QUORUM).await;
    for number in 0..4 {
        brokered.publish(&format!("order-{number}"), "tea").await;
    }
    let mut source = brokered.started().await;
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        deliveries.push(next(&mut source).await);
    }
    server.kill();
    let retry = Verdict::Retry { after: secs(1) };
    let parked = Verdict::parked(idempotent_core::consumer::ParkReason::Permanent, "");
    let verdicts = [Verdict::Completed, retry, parked, Verdict::GivenBack];
    // The client may see the end of its connection a moment later.
    let seen = async {
        while deliveries[0].settle(&Verdict::Completed).await.is_ok() {
            deliveries.rotate_left(1);
            tokio::time::sleep(millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(millis(500), seen).await;
    server.restart().await;
    let mut source = brokered.started().await;
    // Those that the first connection had not got through with come again.
    let again = next(&mut source).await;
    for verdict in verdicts {
        for delivery in &deliveries {
            match delivery.settle(&verdict).await {
                Ok(()) => {}
                Err(error) => assert!(error.is_taken_back(), "{error}"),
            }
        }
    }
    assert!(Brokered::again(Arc::clone(&server), &brokered).await.dead_letters().await.is_empty());
    again.settle(&Verdict::Completed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_blocks_publishing_acknowledgements_go_on_and_retries_wait() {
    require!(Server::RabbitMq);
    let (server, _lock) = breakable().await;
    let brokered = Brokered::on(Arc::clone(&server), QUORUM).await;
    for number in 0..20 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    brokered.publish("order-bad", "bad").await;
    block(&server).await;
    let (effects, ends) = (Effects::default(), Ends::default());
    let counted = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(5)));
    let consumer = builder.handler(move |payload: String| {
        let fails = payload == "bad" && counted.of("bad") < 2;
        counted.add(&payload);
        async move { if fails { Err("the carrier is down") } else { Ok(()) } }
    });
    let running = Running::start(&consumer, brokered.source());
    until(|| ends.finals() == 20).await;
    // All are acknowledged but the one that fails, which waits.
    brokered.until_counts((0, 1)).await;
    unblock(&server).await;
    until(|| ends.finals() == 21).await;
    running.stop().await;
    let once = |(payload, count): &(String, u32)| payload == "bad" || *count == 1;
    assert!(effects.all().iter().all(once), "{:?}", effects.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_published_are_kept_and_make_no_room_for_others() {
    require!(Server::RabbitMq);
    let (server, _lock) = breakable().await;
    let brokered = Brokered::on(Arc::clone(&server), QUORUM).await;
    for number in 0..3 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let mut source = brokered.source().deadline(millis(200));
    source.start(&Needs::of("shop.ship").concurrency(2)).await.unwrap();
    block(&server).await;
    let first = source.next(NonZeroUsize::new(2).unwrap()).await.unwrap();
    let second = source.next(NonZeroUsize::MIN).await.unwrap();
    drop((first, second));
    // Longer than it is waited twice for a copy to be confirmed.
    let third = tokio::time::timeout(secs(13), source.next(NonZeroUsize::MIN)).await;
    assert!(third.is_err(), "there was room, or a message was given back");
    brokered.until_counts((1, 2)).await;
    // What is kept is given back by a source that stops.
    source.stop().await.unwrap();
    let mut other = brokered.started().await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut other).await;
        let message = delivery.message();
        counts.push((message.id().to_owned(), message.delivery_count()));
        delivery.settle(&Verdict::Completed).await.unwrap();
    }
    counts.sort();
    let expected = [("order-0", 2), ("order-1", 2), ("order-2", 1)];
    assert_eq!(counts, expected.map(|(id, count)| (id.to_owned(), Some(count))));
    unblock(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_which_the_broker_says_nothing_is_published_again_on_another_connection() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    brokered.publish("order-7", "tea").await;
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
    let source = RabbitMqSource::new(url, brokered.queue.as_str()).dead_letters(brokered.dead());
    let mut source = source.deadline(secs(2));
    source.start(&Needs::of("shop.ship").concurrency(8)).await.unwrap();
    let retry = Verdict::Retry { after: millis(250) };
    next(&mut source).await.settle(&retry).await.unwrap();
    let second = next(&mut source).await;
    // The first connection is that of the deliveries, and the second one that of the copies.
    proxy.stall_one(2);
    let error = second.settle(&retry).await.unwrap_err();
    assert!(error.to_string().contains("the broker does not confirm the copy"), "{error}");
    second.settle(&retry).await.unwrap();
    let third = next(&mut source).await;
    assert_eq!((third.message().id(), third.message().delivery_count()), ("order-7", Some(3)));
    third.settle(&Verdict::Completed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_and_declared_anew_is_consumed_again() {
    require!(Server::RabbitMq);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        let (effects, engine) = (Effects::default(), engine());
        let running = Running::start(&counting(&engine, &effects), brokered.source());
        brokered.publish("order-1", "tea").await;
        until(|| effects.of("tea") == 1).await;
        brokered.delete(&brokered.queue).await;
        // For long enough to be looked for in vain.
        tokio::time::sleep(millis(500)).await;
        brokered.declare_anew().await;
        brokered.publish("order-2", "milk").await;
        until(|| effects.of("milk") == 1).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_broker_closes_for_its_consumer_timeout_is_opened_anew() {
    require!(Server::RabbitMq);
    // One of its own, since this is for all of its channels.
    let server = Arc::new(RabbitMq::start().await);
    let set = "application:set_env(rabbit, consumer_timeout, 5000), \
               application:set_env(rabbit, channel_tick_interval, 200).";
    server.ctl(&["eval", set]).await;
    let brokered = Brokered::on(Arc::clone(&server), QUORUM).await;
    brokered.publish("order-7", "tea").await;
    let mut source = brokered.started().await;
    let first = next(&mut source).await;
    let second = next(&mut source).await;
    assert_eq!(second.message().position(), first.message().position());
    let error = first.settle(&Verdict::Completed).await.unwrap_err();
    assert!(error.is_taken_back(), "{error}");
    second.settle(&Verdict::Completed).await.unwrap();
    drop(source);
    // What is not acknowledged is ready again once the connection is closed.
    tokio::time::sleep(millis(500)).await;
    assert_eq!(brokered.ready().await, 0);
}

#[tokio::test]
async fn a_client_on_one_thread_has_told_the_broker_before_it_stops() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    for number in 0..5 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let (url, queue, dead) = (brokered.server.url(), brokered.queue.clone(), brokered.dead());
    let handled = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let source = RabbitMqSource::new(url, queue).dead_letters(dead);
            let (effects, engine) = (Effects::default(), engine());
            let done = effects.clone();
            let consumer = counting(&engine, &effects);
            let all = async move { until(|| done.all().len() == 5).await };
            consumer.run(source, all).await.unwrap();
            effects.all().len()
        })
    });
    assert_eq!(handled.await.unwrap(), 5);
    // What was not told would be ready again once the connection is closed.
    tokio::time::sleep(millis(500)).await;
    assert_eq!(brokered.ready().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_dropped_keeps_no_message_that_it_had_received() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    for number in 0..4 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let mut source = brokered.started().await;
    let in_hand = source.next(NonZeroUsize::new(4).unwrap()).await.unwrap();
    drop(source);
    let mut other = brokered.started().await;
    for _ in 0..3 {
        next(&mut other).await.settle(&Verdict::Completed).await.unwrap();
    }
    in_hand.settle(&Verdict::Completed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_in_a_delay_queue_that_has_just_been_declared_survives_the_brokers_death() {
    require!(Server::RabbitMq);
    let (server, _lock) = breakable().await;
    let brokered = Brokered::on(Arc::clone(&server), QUORUM).await;
    brokered.publish("order-1", "tea").await;
    let mut source = brokered.started().await;
    let retry = Verdict::Retry { after: secs(2) };
    next(&mut source).await.settle(&retry).await.unwrap();
    // The acknowledgement is there, too, or the message would come again by itself.
    tokio::time::sleep(millis(100)).await;
    server.restart().await;
    let mut source = brokered.started().await;
    assert_eq!(next(&mut source).await.message().id(), "order-1");
}
