//! What becomes of a thousand orders when apps stall and die.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use idempotent_servers::{Server, require};
use idempotent_tests::{millis, secs};

use super::load::{End, PATIENCE, load};
use super::servers::Servers;
use crate::app::receipt;
use crate::apps::Promise;
use crate::fault::Fault;
use crate::ledger::{Event, Life};

const SEED: u64 = 20_240_817;

/// What a run came to, after what holds under both promises was checked.
struct Outcome {
    ends: Vec<End>,
    /// The lives that had an effect of an order, in order.
    effects: HashMap<u32, Vec<Life>>,
    /// The lives that a request for an order came to.
    arrivals: HashMap<u32, Vec<Life>>,
    killed: HashSet<Life>,
}

impl Outcome {
    async fn of(at_most_once: bool) -> Outcome {
        let promise = Promise { at_most_once, lease: secs(3), wait: None };
        let servers = Servers::start(&promise, millis(PATIENCE)).await;
        let begin = Instant::now();
        let ends = tokio::select! {
            ends = load(&servers, SEED) => ends,
            () = servers.revive() => unreachable!("it never ends"),
        };
        let (mut effects, mut arrivals) = (HashMap::new(), HashMap::new());
        let mut killed = HashSet::new();
        for event in servers.events() {
            let (map, life, order) = match event {
                Event::Arrived { life, order } => (&mut arrivals, life, order),
                Event::Effect { life, order } => (&mut effects, life, order),
                Event::Killed { life } => {
                    killed.insert(life);
                    continue;
                }
                Event::Began { .. } | Event::WarmUp { .. } => continue,
            };
            map.entry(order).or_insert_with(Vec::new).push(life);
        }
        let outcome = Outcome { ends, effects, arrivals, killed };
        outcome.print(at_most_once, begin);
        assert!(outcome.resent() > 0 && !outcome.killed.is_empty());
        outcome
    }

    fn effects(&self, order: u32) -> &[Life] {
        self.effects.get(&order).map_or(&[], Vec::as_slice)
    }

    /// The orders with more than one effect.
    fn duplicates(&self) -> Vec<u32> {
        let mut orders: Vec<u32> = self.effects.keys().copied().collect();
        orders.retain(|order| self.effects(*order).len() > 1);
        orders
    }

    fn with(&self, fault: fn(Fault) -> bool) -> impl Iterator<Item = &End> {
        self.ends.iter().filter(move |end| fault(end.fault))
    }

    fn indeterminate(&self) -> impl Iterator<Item = &End> {
        self.ends.iter().filter(|end| end.status == 423)
    }

    /// How often an app got a request that no client had sent to it: nginx did, by itself. At least,
    /// since some requests of clients found no app.
    fn resent(&self) -> usize {
        let resent = |end: &End| {
            let arrivals = self.arrivals.get(&end.order).map_or(0, Vec::len);
            arrivals.saturating_sub(end.attempts as usize)
        };
        self.ends.iter().map(resent).sum()
    }

    fn print(&self, at_most_once: bool, begin: Instant) {
        let stalls = self.with(|fault| matches!(fault, Fault::Stall(_))).count();
        println!(
            "at_most_once {at_most_once}, seed {SEED}: {} orders, {stalls} stalls, {} kills before the \
             effect, {} after it, {} apps killed, {} resent by nginx, {} sent by clients, {} effects, {} \
             orders with two or more, {} indeterminate, in {:?}",
            self.ends.len(),
            self.with(|fault| fault == Fault::KillBefore).count(),
            self.with(|fault| fault == Fault::KillAfter).count(),
            self.killed.len(),
            self.resent(),
            self.ends.iter().map(|end| end.attempts).sum::<u32>(),
            self.effects.values().map(Vec::len).sum::<usize>(),
            self.duplicates().len(),
            self.indeterminate().count(),
            begin.elapsed(),
        );
    }
}

#[tokio::test]
async fn at_most_once_no_order_is_taken_twice_and_clients_end_with_the_answer_or_indeterminate() {
    require!(Server::Nginx, Server::Redis);
    let outcome = Outcome::of(true).await;
    assert_eq!(outcome.duplicates(), Vec::<u32>::new());
    for end in &outcome.ends {
        match (end.status, outcome.effects(end.order)) {
            (201, [life]) => assert_eq!(end.text, receipt(*life, end.order)),
            (423, _) => {
                assert!(end.text.contains(r#""code":"indeterminate""#), "{end:?}");
                let lives = &outcome.arrivals[&end.order];
                assert!(lives.iter().any(|life| outcome.killed.contains(life)), "{end:?}");
            }
            (_, effects) => panic!("{end:?} {effects:?}"),
        }
    }
    for end in outcome.with(Fault::is_kill) {
        assert_eq!(end.status, 423, "{end:?}");
    }
    for end in outcome.with(|fault| fault == Fault::KillBefore) {
        assert!(outcome.effects(end.order).is_empty(), "{end:?}");
    }
}

#[tokio::test]
async fn at_least_once_orders_are_taken_twice_only_when_their_first_owner_was_killed() {
    require!(Server::Nginx, Server::Redis);
    let outcome = Outcome::of(false).await;
    for end in &outcome.ends {
        let (last, before) = outcome.effects(end.order).split_last().unwrap();
        assert!(before.iter().all(|life| outcome.killed.contains(life)), "{end:?} {before:?}");
        assert_eq!((end.status, &end.text), (201, &receipt(*last, end.order)));
    }
    for end in outcome.with(|fault| fault == Fault::KillAfter) {
        assert!(outcome.effects(end.order).len() > 1, "{end:?}");
    }
}
