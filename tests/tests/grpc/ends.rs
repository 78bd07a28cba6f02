//! Methods that end otherwise than by answering a client that waits.

use std::time::Duration;

use futures::future::join_all;
use idempotent_tests::secs;
use tonic::{Code, Status};

use super::server::{is_replay, keyed, refusal, tea};
use super::{Charge, Client, Shop};

fn in_progress() -> (Code, String) {
    (Code::Aborted, "IN_PROGRESS".to_owned())
}

/// Until the call with the key `k` has ended.
async fn replayed(client: &Client, method: &'static str) -> u64 {
    let patience = tokio::time::Instant::now() + secs(20);
    loop {
        match client.order(method, &tea(Code::Ok)).await {
            Ok(answer) => {
                assert!(is_replay(answer.metadata()));
                return answer.get_ref().run;
            }
            Err(status) => assert_eq!(refusal(&status), in_progress()),
        }
        assert!(tokio::time::Instant::now() < patience, "it does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_client_that_cancels_leaves_its_key_held() {
    let (shop, clock) = Shop::with_clock();
    let (client, _server) = Client::of(&shop).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.order("Slow", &tea(Code::Ok)).await }
    });
    shop.until_it_runs().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    shop.until_it_is_over().await;
    shop.engine.drain().await;
    let held = (Code::Aborted, "HELD".to_owned());
    assert_eq!(refusal(&client.fails("Slow", &tea(Code::Ok)).await), held);
    clock.advance(secs(30));
    let status = client.fails("Slow", &tea(Code::Ok)).await;
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "INDETERMINATE".to_owned()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_detached_method_runs_to_its_end_when_its_client_cancels() {
    let shop = Shop::new();
    let (client, server) = Client::of(&shop).await;
    let other = server.client().await;
    let call = tokio::spawn(async move { client.order("Detached", &tea(Code::Ok)).await });
    shop.until_it_runs().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    shop.until_it_is_over().await;
    assert_eq!(refusal(&other.fails("Detached", &tea(Code::Ok)).await), in_progress());
    shop.gate.add_permits(1);
    assert_eq!(replayed(&other, "Detached").await, 1);
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_deadline_that_passes_leaves_a_detached_method_running() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let mut request = keyed("k", &tea(Code::Ok));
    // It has begun by then, and does not end before it is told.
    request.set_timeout(secs(4));
    let status = client.send("Detached", request).await.unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");
    shop.until_it_runs().await;
    shop.gate.add_permits(1);
    assert_eq!(replayed(&client, "Detached").await, 1);
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_panic_leaves_the_outcome_unknown() {
    let shop = Shop::new();
    let (client, server) = Client::of(&shop).await;
    let panics = Charge { order: "panic".to_owned(), ..tea(Code::Ok) };
    for method in ["Waiting", "Slow"] {
        client.fails(method, &panics).await;
    }
    shop.engine.drain().await;
    assert_eq!(shop.runs.count(), 2);
    // At least once, the body runs again; at most once, it never does.
    server.client().await.fails("Waiting", &panics).await;
    let status = server.client().await.fails("Slow", &panics).await;
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "INDETERMINATE".to_owned()));
    assert_eq!(shop.runs.count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_runs_and_all_have_its_answer() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    shop.gate.add_permits(100);
    let order = tea(Code::Ok);
    let calls = (0..32).map(|_| client.order("Waiting", &order));
    let answers: Vec<Result<_, Status>> = join_all(calls).await;
    let (mut runs, mut replays) = (Vec::new(), 0);
    for answer in answers {
        let answer = answer.unwrap();
        replays += usize::from(is_replay(answer.metadata()));
        runs.push(answer.get_ref().run);
    }
    assert_eq!((runs, replays, shop.runs.count()), (vec![1; 32], 31, 1));
}
