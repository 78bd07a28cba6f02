//! Relays, broker and database are killed at random, publishers and consumers dropped, while messages are
//! published, delivered and consumed. What must hold then: each message that was committed is delivered, in order per key, and acted upon once; nothing
//! else is.
//!
//! `OUTBOX_CHAOS_SECONDS` and `OUTBOX_CHAOS_SEED` make it longer, and another one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::join_all;
use idempotent_servers::{Program, Server, require};
use idempotent_tests::millis;
use tokio::time::{Instant, sleep};

use crate::shop::{Dice, Outcome, Shop};

const RELAYS: usize = 3;

/// How often each was done.
#[derive(Debug, Default)]
struct Harm {
    relays_killed: u32,
    relays_frozen: u32,
    relays_cut_off: u32,
    brokers_killed: u32,
    databases_killed: u32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_committed_message_has_one_effect_though_all_is_killed() {
    require!(Server::Postgres, Server::Nats);
    let (seconds, seed) = (setting("OUTBOX_CHAOS_SECONDS", 6), setting("OUTBOX_CHAOS_SEED", 1));
    let shop = Shop::open(RELAYS).await;
    let ends = Instant::now() + Duration::from_secs(seconds);

    let selling = join_all((0..8).map(|seller| shop.sell(Dice(seed * 100 + seller))));
    let consuming = join_all((0..4).map(|consumer| shop.consume(Dice(seed * 100 + 10 + consumer))));
    let reviving = join_all(shop.relays.iter().map(Program::revive));
    let harming = async {
        tokio::select! {
            harm = harm(&shop, Dice(seed), ends) => harm,
            _ = selling => unreachable!("they sell for ever"),
        }
    };
    let harm = tokio::select! {
        harm = async { let harm = harming.await; shop.settle().await; harm } => harm,
        _ = consuming => unreachable!("they consume for ever"),
        _ = reviving => unreachable!("they are revived for ever"),
    };

    let outcome = shop.outcome().await;
    let firsts = outcome.delivered.iter().map(|(key, ids)| (key.clone(), firsts(ids))).collect();
    print(seed, &harm, &outcome);
    assert_eq!(shop.database.backlog().await, (0, 0));
    assert_eq!(differences(&outcome.committed, &firsts), Vec::<String>::new(), "seed {seed}");
    let twice: Vec<_> = outcome.effects.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "seed {seed}: {twice:?}");
    let effects: HashSet<_> = outcome.effects.keys().collect();
    assert_eq!(effects, outcome.committed.values().flatten().collect(), "seed {seed}");
    assert!(outcome.delivered.values().flatten().count() > 100, "{harm:?}");
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// One harm after the other, and all of them again.
async fn harm(shop: &Shop, mut dice: Dice, ends: Instant) -> Harm {
    let mut harm = Harm::default();
    for kind in (0..5).cycle() {
        if Instant::now() >= ends {
            break;
        }
        sleep(millis(50 + dice.below(250))).await;
        let relay = &shop.relays[usize::try_from(dice.below(RELAYS as u64)).unwrap()];
        let while_ = millis(dice.below(300));
        match kind {
            0 => {
                relay.kill();
                harm.relays_killed += 1;
            }
            1 => {
                shop.nats.kill();
                sleep(while_).await;
                shop.nats.restart().await;
                harm.brokers_killed += 1;
            }
            2 if relay.is_running() => {
                relay.stop_process();
                sleep(while_).await;
                relay.resume();
                harm.relays_frozen += 1;
            }
            3 if relay.is_running() => {
                relay.stop_process();
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE state = 'idle in transaction'";
                shop.database.server.sql(cut).await;
                sleep(while_).await;
                relay.resume();
                harm.relays_cut_off += 1;
            }
            4 => {
                shop.database.server.kill();
                sleep(while_).await;
                shop.database.server.restart().await;
                harm.databases_killed += 1;
            }
            _ => {}
        }
    }
    harm
}

/// The ids without those that came before.
fn firsts(ids: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
}

/// Where two orders part, key by key.
fn differences(
    committed: &HashMap<String, Vec<String>>,
    delivered: &HashMap<String, Vec<String>>,
) -> Vec<String> {
    let keys: HashSet<_> = committed.keys().chain(delivered.keys()).collect();
    let none = Vec::new();
    let mut differences = Vec::new();
    for key in keys {
        let left = committed.get(key).unwrap_or(&none);
        let right = delivered.get(key).unwrap_or(&none);
        if left != right {
            let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
            differences.push(format!(
                "{key}: {} committed, {} delivered, other ones from {at} on: {:?}, {:?}",
                left.len(),
                right.len(),
                left.get(at),
                right.get(at),
            ));
        }
    }
    differences
}

fn print(seed: u64, harm: &Harm, outcome: &Outcome) {
    let committed = outcome.committed.values().map(Vec::len).sum::<usize>();
    let delivered = outcome.delivered.values().map(Vec::len).sum::<usize>();
    println!("seed {seed}: {committed} committed, {delivered} delivered, {harm:?}");
}
