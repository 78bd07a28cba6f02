//! In a cluster: an index is where its calls are, also while their slot moves.

use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::store::{Due, DueCalls as _};
use idempotent_servers::{Cluster, Reply, Server, require};
use redis::cluster_async::ClusterConnection;

use super::call::{Call, OPERATION, due};
use crate::support::{SlotMove, in_the_end};

pub(super) async fn connect(cluster: &Cluster, prefix: &str) -> RedisStore {
    let builder = RedisStore::builder(RedisSource::cluster(cluster.urls())).prefix(prefix);
    builder.response_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

/// One of the application, which does not tell which server has which slots.
async fn connection(cluster: &Cluster) -> ClusterConnection {
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    client.get_async_connection().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_due_call_of_a_cluster_is_found_whatever_the_prefix() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let cases = [("idem:", 16, false), ("{shop}:", 1, false), ("", 16, false), ("own:", 16, true)];
    for (prefix, parts, is_on_applications) in cases {
        let store = match is_on_applications {
            true => RedisStore::builder(connection(&cluster).await).prefix(prefix).connect().await,
            false => Ok(connect(&cluster, prefix).await),
        };
        let store = store.unwrap();
        assert_eq!(store.parts(), parts, "{prefix}");
        let mut calls = Vec::new();
        for _ in 0..40 {
            // Two keys in two slots would be refused.
            calls.push(Call::suspended(&store, Duration::ZERO).await.id);
        }
        let mut found = due(&store, 100).await;
        let mut in_parts = Vec::new();
        for part in 0..parts {
            let request = Due::new(&[OPERATION], 100).part(part);
            let due = store.due(&request).await.unwrap();
            in_parts.extend(due.into_iter().map(|call| call.id));
        }
        for found in [&mut calls, &mut found, &mut in_parts] {
            found.sort_by_key(|id| *id.hash());
        }
        assert_eq!((&found, &in_parts), (&calls, &calls), "{prefix}");
        assert_eq!(due(&store, 7).await.len(), 7);
    }
}

/// The keys of the slot of a call: its record, and its index.
async fn keys(slot: &SlotMove<'_>, call: &Call) -> Vec<String> {
    let number = slot.from.cli(&["CLUSTER", "KEYSLOT", &call.key()]).await.to_string();
    let Reply::Array(keys) = slot.from.cli(&["CLUSTER", "GETKEYSINSLOT", &number, "10"]).await
    else {
        panic!("no keys")
    };
    keys.iter().filter_map(|key| key.text().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_call_is_found_again_once_its_slot_has_moved_and_hides_no_other_meanwhile() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = connect(&cluster, "idem:").await;
    let mut moved = Call::suspended(&store, Duration::ZERO).await;
    let other = Call::suspended(&store, Duration::ZERO).await;
    let slot = SlotMove::of(&cluster, &moved.key()).await;
    let keys = keys(&slot, &moved).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    slot.begin().await;
    assert!(due(&store, 10).await.contains(&other.id));
    for key in &keys {
        slot.carry(key).await;
        let found = in_the_end("a look", async || {
            let found = store.due(&Due::new(&[OPERATION], 10)).await;
            found.map(|found| found.into_iter().map(|call| call.id).collect::<Vec<_>>())
        });
        assert!(found.await.contains(&other.id));
    }
    slot.end().await;
    in_the_end("it is found on its new primary", async || {
        let found = store.due(&Due::new(&[OPERATION], 10)).await.map_err(|error| error.to_string());
        let is_found = found?.iter().any(|call| call.id == moved.id);
        if is_found { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    moved.resume(&store).await.unwrap();
    assert_eq!(due(&store, 10).await, [other.id]);
}
