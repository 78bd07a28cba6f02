//! Every command that is about one record, or about the server, and both kinds of `purge --all`, on a large store while calls
//! run.

use std::time::Duration;

use idempotent_core::engine::Inspection;
use idempotent_core::{Idempotency, Operation};
use tokio::task::JoinHandle;

use crate::large::{Ran, run};
use crate::shop::{begin, charge, lost, seen};

const LIMIT: Duration = Duration::from_secs(3600);
const SAID: [&str; 3] = ["--yes", "--reason", "it is measured"];

/// Calls that run until they are aborted, one after the other.
fn calls(engine: &Idempotency) -> JoinHandle<()> {
    let engine = engine.clone();
    tokio::spawn(async move {
        for number in 0_u64.. {
            let call = Operation::new("shop.running").key(&number).engine(&engine);
            let run = call.returning::<Result<u64, idempotent_core::Error>>().run(|| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(number)
            });
            run.await.expect("it completes");
        }
    })
}

/// As many records as there may be.
const MOST: &str = "100000000";

async fn id_of(engine: &Idempotency, key: &str) -> String {
    seen(engine, key).await.as_ref().map(Inspection::id).expect("it is there").to_string()
}

/// Runs each, and returns what it was and what it took.
pub(crate) async fn each(url: &str, engine: &Idempotency) -> Vec<(String, Ran)> {
    let calls = calls(engine);
    let mut rans = Vec::new();
    let mut go = async |arguments: &[&str], codes: &[i32]| {
        let ran = run(url, arguments, LIMIT).await;
        let code = ran.code.expect("it ends by itself");
        assert!(codes.contains(&code), "{arguments:?}: {ran:?}");
        let what = arguments.iter().take_while(|it| **it != "--yes").copied();
        rans.push((what.collect::<Vec<_>>().join(" "), ran));
    };
    for key in ["lost", "unlost"] {
        lost(engine, key).await;
    }
    charge(engine, "made", "receipt").await.expect("it completes");
    let dead = begin(engine, "dead").await;
    let [lost, unlost, made, held] = [
        id_of(engine, "lost").await,
        id_of(engine, "unlost").await,
        id_of(engine, "made").await,
        id_of(engine, "dead").await,
    ];
    go(&["show", &lost], &[0]).await;
    let digits = lost.rsplit_once(':').map_or("", |(_, hash)| &hash[..8]);
    go(&["show", digits], &[0]).await;
    go(&["list", "--fast", "--matching", "lost", "--limit", "2"], &[0]).await;
    let never = "--never-happened-and-owner-is-dead";
    go(&[&["resolve", &unlost, never][..], &SAID].concat(), &[0]).await;
    go(&[&["resolve", &lost, "--happened", "\"receipt 7\""][..], &SAID].concat(), &[0]).await;
    go(&[&["correct", &lost, "--happened", "\"receipt 8\""][..], &SAID].concat(), &[0]).await;
    go(&[&["release", &held, "--although-it-runs"][..], &SAID].concat(), &[0]).await;
    go(&[&["purge", &made][..], &SAID].concat(), &[0]).await;
    assert!(seen(engine, "unlost").await.is_none() && seen(engine, "made").await.is_none());
    // A server of a test is not set up to be safe, and Redis has neither an outbox nor a schema.
    go(&["doctor"], &[0, 8]).await;
    go(&["outbox", "list"], &[0, 2]).await;
    go(&["migrate", "--dry-run"], &[0, 2]).await;
    go(&["bench", "--yes", "--seconds", "10", "--tasks", "8"], &[0]).await;
    let by_scope = ["purge", "--all", "--scope", "tenant 7", "--fast", "--expect", MOST];
    go(&[&by_scope[..], &SAID].concat(), &[0]).await;
    let by_operation = ["purge", "--all", "--operation", "shop.ship", "--fast", "--expect", MOST];
    go(&[&by_operation[..], &SAID].concat(), &[0]).await;
    go(&["list", "--fast", "--operation", "shop.ship", "--limit", "1"], &[0]).await;
    let left = &rans.last().expect("it ran").1;
    assert_eq!(left.bytes, 0, "records of shop.ship are left");
    assert!(!calls.is_finished(), "the calls ran meanwhile");
    calls.abort();
    dead.abandon().await;
    rans
}
