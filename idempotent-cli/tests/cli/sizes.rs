//! Every command that is about records, on stores with none, one and a thousand of them.

use idempotent_core::Idempotency;
use serde_json::json;
use tokio::task::JoinSet;

use crate::run::{json as all, one};
use crate::shop::{begin, lost, quote};
use crate::stores::{TestStore, on_every_store};

on_every_store! { every_command_works_on_none_one_and_a_thousand_records }

const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];

/// Makes so many at a time that a loaded machine answers each in time.
async fn fill(engine: &Idempotency, numbers: std::ops::Range<u32>) {
    let mut filling = JoinSet::new();
    for worker in 0..8 {
        let (engine, numbers) = (engine.clone(), numbers.clone());
        filling.spawn(async move {
            for number in numbers.skip(worker).step_by(8) {
                quote(&engine, &format!("basket {number}")).await;
            }
        });
    }
    filling.join_all().await;
}

async fn every_command_works_on_none_one_and_a_thousand_records(store: TestStore) {
    let (target, url) = (TestStore::sqlite().await, store.url.as_str());
    for (before, count) in [(0, 0), (0, 1), (1, 1000)] {
        fill(&store.engine, before..count).await;
        for list in [&["list"][..], &["list", "--fast"]] {
            let (listed, code) = all(url, list).await;
            assert_eq!((listed.len(), code), (count as usize, 0), "{list:?}");
        }
        let (stats, code) = one(url, &["stats"]).await;
        assert_eq!((&stats["records"], code), (&json!(count), 0), "{stats}");

        begin(&store.engine, "10").await.hold_for_lease().await;
        let id = lost(&store.engine, "7").await.id().to_string();
        let (look, code) = one(url, &["watch", "-n", "1", "--fast"]).await;
        let states = (&look["states"]["reserved"], &look["states"]["indeterminate"]);
        assert_eq!((states, code), ((&json!(1), &json!(1)), 0), "{look}");
        let (found, code) = all(url, &["list", "--state", "indeterminate"]).await;
        assert_eq!((found.len(), &found[0]["id"], code), (1, &json!(id), 0));
        // A part of the id is looked for among all records.
        let (shown, code) = one(url, &["show", &id[..id.len() - 52]]).await;
        assert_eq!((&shown["id"], code), (&json!(id), 0), "{shown}");

        let running =
            ["--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "10"];
        for change in [
            &["resolve", &id, "--happened", "\"receipt 8\""][..],
            &["correct", &id, "--happened", "\"receipt 7\""],
            &["purge", &id],
            &[&["release"][..], &running].concat(),
        ] {
            let (done, code) = one(url, &[change, &YES].concat()).await;
            assert_eq!((&done["done"], code), (&json!(true), 0), "{change:?}: {done}");
        }

        let purge = ["purge", "--all", "--operation", "shop.quote", "--fast", "--dry-run"];
        let (counted, code) = one(url, &purge).await;
        assert_eq!((&counted["matched"], code), (&json!(count), 0), "{counted}");
        let (moved, code) = one(url, &["move", "--to", &target.url, "--fast", "--dry-run"]).await;
        assert_eq!((&moved["copied"], code), (&json!(count), 0), "{moved}");
        let (found, _) = all(url, &["doctor"]).await;
        let checkup = found.last().expect("a checkup");
        assert_eq!((&checkup["kind"], &checkup["unknown"]), (&json!("checkup"), &json!([])));
    }
    let (measured, code) = one(url, &["bench", "--yes", "--tasks", "2", "--seconds", "1"]).await;
    assert_eq!((&measured["left"], code), (&json!(0), 0), "{measured}");
    let move_all = [&["move", "--to", &target.url, "--fast"][..], &YES].concat();
    let (moved, code) = one(url, &move_all).await;
    assert_eq!((&moved["copied"], code), (&json!(1000), 0), "{moved}");
    let purge = ["purge", "--all", "--operation", "shop.quote", "--fast", "--expect", "1000"];
    let purge = [&purge[..], &YES].concat();
    let (purged, code) = one(url, &purge).await;
    assert_eq!((&purged["purged"], code), (&json!(1000), 0), "{purged}");
    assert_eq!(all(url, &["list"]).await.0.len(), 0);
}
