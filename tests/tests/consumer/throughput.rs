//! What a consumer gets done beside keys that are stuck, or poison, and what it leaves behind: by counts, and by a clock that
//! stands still.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Consumer, Message};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::{millis, secs};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::effects::{attempts, engine};

const CONCURRENCY: usize = 64;
/// Of the keys that nothing is wrong with.
const MESSAGES: usize = 20_000;
/// Of each of the two that something is wrong with.
const OF_A_BAD_KEY: usize = 100;

/// How many messages of good keys are handled in twenty seconds, beside these keys.
async fn handled_beside(bad_keys: &[&str]) -> usize {
    let (broker, handled) = (TestBroker::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&handled);
    let key = |message: &Message| message.id().split('-').next().map(str::to_owned);
    let consumer = Consumer::builder("shop.ship", &engine())
        .concurrency(CONCURRENCY)
        .ordered_by(key)
        .attempts(attempts(5))
        .stop_within(secs(1))
        .handler(move |id: String| {
            let counted = Arc::clone(&counted);
            async move {
                match id.split('-').next() {
                    Some("poison") => return Err("it is no good"),
                    Some("stuck") => std::future::pending().await,
                    _ => tokio::time::sleep(millis(100)).await,
                }
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
    for number in 0..MESSAGES {
        if number < OF_A_BAD_KEY {
            for key in bad_keys {
                broker.publish(format!("{key}-{number}"), format!("{key}-{number}"));
            }
        }
        let id = format!("good{}-{number}", number % 1_000);
        broker.publish(id.clone(), id);
    }
    let running = consumer.run(broker.source(), tokio::time::sleep(secs(20)));
    running.await.unwrap();
    handled.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_poison_key_and_a_stuck_one_leave_nine_tenths_of_the_throughput_to_the_others() {
    let alone = handled_beside(&[]).await;
    assert!((10_000..MESSAGES).contains(&alone), "{alone} are as many as there is time for");
    let beside = handled_beside(&["poison", "stuck"]).await;
    assert!(beside * 10 >= alone * 9, "{beside} beside the bad keys, and {alone} without them");
}

/// The environment variable by which the next test knows that it is a process of its own.
const VARIABLE: &str = "IDEMPOTENT_TESTS_LEFT_BEHIND";
/// The test that it is.
const TEST: &str = "throughput::fifty_thousand_messages_in_a_process_of_their_own";
const BATCHES: usize = 10;
const OF_A_BATCH: usize = 5_000;
/// The task that renews leases, which stays once it was needed.
const OF_THE_ENGINE: usize = 1;
/// What the allocator may keep, in bytes.
const SPARE: u64 = 8 * 1024 * 1024;

/// Memory of other tests would count in their process.
#[test]
fn after_fifty_thousand_messages_tasks_and_memory_are_what_they_were() {
    let words = ["--ignored", "--exact", TEST, "--nocapture"];
    let program = std::env::current_exe().unwrap();
    let ran = Command::new(program).args(words).env(VARIABLE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "another test starts it"]
async fn fifty_thousand_messages_in_a_process_of_their_own() {
    if std::env::var(VARIABLE).is_err() {
        return;
    }
    // Small enough to be full after the first batch.
    let store = MemoryStore::builder().capacity_bytes(2 * 1024 * 1024);
    let store = store.run_again_after_eviction().build();
    let engine = Idempotency::new(store);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let mut held = Vec::new();
    for batch in 0..BATCHES {
        handle_batch(&engine, batch).await;
        let settled = async {
            while tasks() > OF_THE_ENGINE {
                tokio::time::sleep(millis(5)).await;
            }
        };
        let ended = timeout(secs(10), settled).await;
        assert!(ended.is_ok(), "{} tasks after batch {batch}", tasks());
        held.push(resident());
    }
    assert!(held[BATCHES - 1] <= held[0] + SPARE, "memory after each batch: {held:?}");
}

/// Messages that succeed, fail at first, are parked, and come twice, of keys of their own.
async fn handle_batch(engine: &Idempotency, batch: usize) {
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", engine)
        .concurrency(CONCURRENCY)
        .ordered_by(|message: &Message| Some(message.id().to_owned()))
        .attempts(attempts(2))
        .handler(|id: String| async move {
            match id.ends_with("99") {
                true => Err("it is no good"),
                false => Ok(vec![7_u8; 200]),
            }
        });
    for number in 0..OF_A_BATCH {
        let id = format!("{batch}-{number}");
        let payload = format!("{id:0>1024}");
        for _ in 0..if number % 5 == 0 { 2 } else { 1 } {
            broker.publish(id.clone(), payload.clone());
        }
    }
    let all = OF_A_BATCH + OF_A_BATCH / 5;
    consumer.run(broker.source(), broker.until_settled(all)).await.unwrap();
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
