//! Many requests of one key at once.

use idempotent_tests::{secs, until_within};

use super::{Server, Shop, layer, post};
use crate::raw_client::{Reply, Wire};

const REQUESTS: usize = 100;

/// Sends it so often at once, and opens the gate when `ready`.
async fn at_once(shop: &Shop, server: &Server, request: &Wire, ready: usize) -> Vec<Reply> {
    let address = server.address;
    let (told, answered) = tokio::sync::watch::channel(0);
    let told = std::sync::Arc::new(told);
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (request, told) = (request.clone(), told.clone());
            tokio::spawn(async move {
                let reply = request.send(address).await;
                told.send_modify(|count| *count += 1);
                reply
            })
        })
        .collect();
    shop.until_runs(1).await;
    until_within(secs(20), async || *answered.borrow() >= ready).await;
    shop.gate.add_permits(REQUESTS);
    let mut replies = Vec::new();
    for request in requests {
        replies.push(request.await.unwrap());
    }
    replies
}

#[tokio::test]
async fn of_a_hundred_one_runs_and_the_rest_are_told_to_come_back() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let request = post("/slow").key("k");
    let replies = at_once(&shop, &server, &request, REQUESTS - 1).await;
    let (ran, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert_eq!((ran.len(), refused.len(), shop.runs.count()), (1, REQUESTS - 1, 1));
    for reply in refused {
        assert_eq!((reply.status, reply.problem().as_deref()), (409, Some("in_progress")));
        assert_eq!(reply.get("retry-after"), Some("1"));
    }
    assert!(server.send(&request).await.is_replay());
}

#[tokio::test]
async fn of_a_hundred_that_wait_one_runs_and_all_have_its_answer() {
    let shop = Shop::new();
    let server = shop.serve(layer().wait(secs(20))).await;
    let replies = at_once(&shop, &server, &post("/slow").key("k"), 0).await;
    assert!(replies.iter().all(|reply| (reply.status, reply.text()) == (201, "order 1")));
    assert_eq!(replies.iter().filter(|reply| !reply.is_replay()).count(), 1);
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_wait_that_ends_too_early_is_409() {
    let shop = Shop::new();
    let server = shop.serve(layer().wait(std::time::Duration::from_millis(50))).await;
    let request = post("/slow").key("k");
    let first = request.open(server.address).await;
    shop.until_runs(1).await;
    let reply = server.send(&request).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (409, Some("in_progress")));
    drop(first);
}
