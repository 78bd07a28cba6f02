//! What a retry gets: the first answer, and the word that it is one.

use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, Operation};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::payments::Answer;
use super::server::{is_replay, keyed, refusal, tea};
use super::{Client, Receipt, Shop};

/// What the methods put into their answers' metadata, of those names that come to clients as sent.
fn own(metadata: &MetadataMap) -> (Vec<String>, Option<Vec<u8>>) {
    let lines = metadata.get_all("x-line").iter().chain(metadata.get_all("x-run").iter());
    let lines = lines.map(|value| value.to_str().unwrap().to_owned()).collect();
    let trace = metadata.get_bin("x-trace-bin");
    (lines, trace.map(|value| value.to_bytes().unwrap().to_vec()))
}

#[tokio::test]
async fn a_response_is_replayed_with_its_metadata_and_says_so() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let first = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    let second = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    assert_eq!((first.get_ref().run, first.get_ref().lines.len()), (1, 2));
    assert_eq!(first.get_ref(), second.get_ref());
    let lines = ["one", "two", "1"].map(str::to_owned).to_vec();
    assert_eq!(own(first.metadata()), (lines, Some(b"\0\xff\x01".to_vec())));
    assert_eq!(own(first.metadata()), own(second.metadata()));
    assert!(!is_replay(first.metadata()) && is_replay(second.metadata()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn metadata_of_a_session_is_not_replayed() {
    let (client, _server) = Client::of(&Shop::new()).await;
    let first = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    let second = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    let cookie = |answer: &Response<Receipt>| answer.metadata().contains_key("set-cookie");
    assert!(cookie(&first) && !cookie(&second));
}

#[tokio::test]
async fn an_empty_message_is_a_result_like_any_other() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let first = client.order("Nothing", &tea(Code::Ok)).await.unwrap();
    let second = client.order("Nothing", &tea(Code::Ok)).await.unwrap();
    assert_eq!((first.get_ref(), second.get_ref()), (&Receipt::default(), &Receipt::default()));
    assert!(is_replay(second.metadata()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn another_key_and_another_tenant_run_for_themselves() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let run = async |request: Request<_>| {
        let answer = client.send("Charge", request).await.unwrap();
        (answer.get_ref().run, is_replay(answer.metadata()))
    };
    let of = |tenant: &str| {
        let mut request = keyed("k", &tea(Code::Ok));
        request.metadata_mut().insert("tenant", tenant.parse().unwrap());
        request
    };
    assert_eq!(run(keyed("k", &tea(Code::Ok))).await, (1, false));
    assert_eq!(run(keyed("l", &tea(Code::Ok))).await, (2, false));
    assert_eq!(run(of("ada")).await, (3, false));
    assert_eq!(run(of("bob")).await, (4, false));
    assert_eq!(run(of("ada")).await, (3, true));
}

#[tokio::test]
async fn a_response_over_the_limit_is_delivered_and_leaves_a_tombstone() {
    let engine = Idempotency::builder(MemoryStore::new()).max_result_bytes(16).build();
    let shop = Shop::with(engine);
    let (client, _server) = Client::of(&shop).await;
    let first = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    assert_eq!(first.get_ref().run, 1);
    let refused = client.fails("Charge", &tea(Code::Ok)).await;
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "RESULT_NOT_KEPT".to_owned()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn without_the_attribute_it_is_the_same() {
    let shop = Shop::new();
    let call = || {
        let call = Operation::new("payments.plain").key("k").engine(&shop.engine);
        call.returning_grpc::<Answer>()
    };
    let receipt = |run| Ok(Response::new(Receipt { run, ..Receipt::default() }));
    call().run(|| async { receipt(1) }).await.unwrap();
    let replay = call().run(|| async { receipt(2) }).await.unwrap();
    assert_eq!((replay.get_ref().run, is_replay(replay.metadata())), (1, true));
    let refused: Status = Operation::new("payments.plain")
        .key("")
        .engine(&shop.engine)
        .returning_grpc::<Answer>()
        .run(|| async { receipt(3) })
        .await
        .unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_KEY".to_owned()));
}
