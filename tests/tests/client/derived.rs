//! Keys of requests that are sent within an idempotent call.

use std::collections::HashSet;
use std::time::Duration;

use idempotent_core::client::{IdempotentRetry, KeyLabel};
use idempotent_core::model::RecordId;
use idempotent_core::{Error, Idempotency, current, idempotent};
use idempotent_tests::{engine, until};
use reqwest_middleware::ClientWithMiddleware;
use uuid::Uuid;

use crate::recorded_pauses::{quick, skipping};
use crate::server::{Server, Step, answer, status};

#[derive(Debug)]
struct Lost;

impl From<Error> for Lost {
    fn from(_: Error) -> Self {
        Self
    }
}

impl From<reqwest_middleware::Error> for Lost {
    fn from(_: reqwest_middleware::Error) -> Self {
        Self
    }
}

/// Orders two things at one service and one at another, and is told whether to fail afterwards.
#[idempotent(key = order, name = "order", engine = engine)]
async fn order(
    engine: &Idempotency,
    order: u32,
    client: &ClientWithMiddleware,
    server: &Server,
    fails: bool,
) -> Result<(), Lost> {
    for target in ["/shoes", "/shoes", "/shirts"] {
        client.post(server.url(target)).send().await?;
    }
    if fails { Err(Lost) } else { Ok(()) }
}

fn id(number: u32) -> RecordId {
    RecordId::of("order", None, &number).unwrap()
}

fn uuid(key: &str) -> Uuid {
    key.trim_matches('"').parse().unwrap()
}

#[tokio::test]
async fn a_call_that_runs_again_sends_the_same_keys_and_each_request_has_its_own() {
    let (engine, server) = (engine(), Server::script([status(201)]).await);
    order(&engine, 7, &quick(), &server, true).await.unwrap_err();
    order(&engine, 7, &quick(), &server, false).await.unwrap();
    let keys = server.keys();
    assert_eq!(keys[..3], keys[3..]);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 3);
    assert!(keys.iter().all(|key| uuid(key).get_version_num() == 8), "{keys:?}");
}

#[tokio::test]
async fn a_body_that_is_dropped_half_way_continues_with_its_keys() {
    let server = Server::script([status(201), Step::Stall, status(201)]).await;
    let store = idempotent_core::backends::MemoryStore::new();
    let engine = Idempotency::builder(store).lease(Duration::from_millis(200)).build();
    let client = quick();
    let crashed = order(&engine, 7, &client, &server, false);
    tokio::select! {
        ended = crashed => panic!("its second request is never answered: {ended:?}"),
        () = until(async || server.received().len() == 2) => {}
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    order(&engine, 7, &client, &server, false).await.unwrap();
    let keys = server.keys();
    assert_eq!((keys.len(), &keys[..2]), (5, &keys[2..4]));
}

#[tokio::test]
async fn retries_within_a_call_keep_the_derived_key() {
    let (engine, server) = (engine(), Server::script([503, 500, 201].map(status)).await);
    order(&engine, 7, &quick(), &server, false).await.unwrap();
    let keys = server.keys();
    assert_eq!(keys.len(), 5);
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3]);
}

#[tokio::test]
async fn other_calls_and_other_labels_send_other_keys() {
    let (engine, server) = (engine(), Server::script([status(201)]).await);
    let labelled = skipping(IdempotentRetry::new().label("second")).0;
    order(&engine, 7, &quick(), &server, true).await.unwrap_err();
    order(&engine, 8, &quick(), &server, true).await.unwrap_err();
    order(&engine, 7, &labelled, &server, true).await.unwrap_err();
    assert_eq!(server.keys().into_iter().collect::<HashSet<_>>().len(), 9);
}

#[idempotent(key = order, name = "order", engine = engine)]
async fn labelled(
    engine: &Idempotency,
    order: u32,
    server: &Server,
    labels: &[&str],
) -> Result<(), Lost> {
    for label in labels {
        let request = quick().post(server.url(&format!("/parcels?at={label}")));
        request.with_extension(KeyLabel::new(*label)).send().await?;
    }
    Err(Lost)
}

#[tokio::test]
async fn a_labelled_request_has_its_key_wherever_it_comes() {
    let (engine, server) = (engine(), Server::script([status(201)]).await);
    for labels in [["a", "b"], ["b", "a"], ["a", "a"]] {
        labelled(&engine, 7, &server, &labels).await.unwrap_err();
    }
    let [a, b] = ["a", "b"].map(|label| Uuid::from(id(7).derive(label)));
    let keys: Vec<Uuid> = server.keys().iter().map(|key| uuid(key)).collect();
    assert_eq!(keys, [a, b, b, a, a, a]);
}

/// Two requests that differ in their query only.
#[idempotent(key = order, name = "order", engine = engine)]
async fn queried(engine: &Idempotency, order: u32, server: &Server, at: u32) -> Result<(), Lost> {
    for part in [1, 2] {
        quick().post(server.url(&format!("/?part={part}&at={at}"))).send().await?;
    }
    Err(Lost)
}

#[tokio::test]
async fn a_query_that_changes_from_run_to_run_changes_no_key() {
    let (engine, server) = (engine(), Server::script([status(201)]).await);
    queried(&engine, 7, &server, 1).await.unwrap_err();
    queried(&engine, 7, &server, 2).await.unwrap_err();
    let keys = server.keys();
    assert_eq!(keys[..2], keys[2..]);
    assert_ne!(keys[0], keys[1]);
}

/// Sends from a task of its own, as a part of the call or not.
#[idempotent(key = order, name = "order", engine = engine)]
async fn spawned(
    engine: &Idempotency,
    order: u32,
    url: String,
    inherits: bool,
) -> Result<(), Lost> {
    let request = quick().post(url).send();
    let task = match current() {
        Some(call) if inherits => tokio::spawn(call.scope(request)),
        _ => tokio::spawn(request),
    };
    task.await.map_err(|_| Lost)??;
    Err(Lost)
}

#[tokio::test]
async fn a_spawned_task_derives_its_keys_only_as_a_part_of_the_call() {
    let (engine, server) = (engine(), Server::script([status(201)]).await);
    for inherits in [true, true, false, false] {
        spawned(&engine, 7, server.url("/"), inherits).await.unwrap_err();
    }
    let keys = server.keys();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[2], keys[3]);
    assert_eq!(uuid(&keys[3]).get_version_num(), 4);
}

#[tokio::test]
async fn a_callers_own_key_is_kept_within_a_call_too() {
    #[idempotent(key = order, name = "order", engine = engine)]
    async fn own(engine: &Idempotency, order: u32, server: &Server) -> Result<(), Lost> {
        quick().post(server.url("/")).header("idempotency-key", "mine").send().await?;
        Ok(())
    }
    let server = Server::script([status(201)]).await;
    own(&engine(), 7, &server).await.unwrap();
    assert_eq!(server.keys(), ["mine"]);
}

/// Two services with this library: the first crashes after the second acted, and runs again.
#[tokio::test]
async fn a_crash_between_two_services_is_one_effect_at_each() {
    #[idempotent(key = key, name = "bank::take", engine = engine)]
    async fn take(
        engine: &Idempotency,
        key: String,
        effects: &std::sync::Mutex<u32>,
    ) -> Result<u32, Error> {
        let mut effects = effects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *effects += 1;
        Ok(*effects)
    }
    let effects = std::sync::Arc::new(std::sync::Mutex::new(0));
    let (bank, counted) = (engine(), effects.clone());
    let server = Server::asking(move |_, request| {
        let Some(request) = request else { return Step::Close };
        let taken = futures::executor::block_on(take(&bank, request.key(), &counted));
        answer(201, &[], &taken.unwrap().to_string())
    });
    let (engine, server) = (engine(), server.await);
    order(&engine, 7, &quick(), &server, true).await.unwrap_err();
    order(&engine, 7, &quick(), &server, false).await.unwrap();
    assert_eq!((server.received().len(), *effects.lock().unwrap()), (6, 3));
}
