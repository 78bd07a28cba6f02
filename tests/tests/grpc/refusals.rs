//! Refusals: the code, the reason, when to come back, and nothing else.

use std::error::Error as _;
use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::Resolution;
use idempotent_core::store::Scan;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Operation, grpc};
use idempotent_tests::secs;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::payments::Answer;
use super::server::{is_replay, refusal, tea};
use super::{Charge, Client, Receipt, Shop};

/// When a status says to come back, in its details and to the retries built into clients.
fn come_back(status: &Status) -> (Option<Duration>, Option<u64>) {
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let pushback = pushback.map(|millis| millis.to_str().unwrap().parse().unwrap());
    let delay = status.get_details_retry_info().map(|info| info.retry_delay.unwrap());
    (delay, pushback)
}

#[tokio::test]
async fn a_running_call_is_aborted_and_says_when_to_come_back() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.order("Slow", &tea(Code::Ok)).await }
    });
    shop.until_it_runs().await;
    let status = client.fails("Slow", &tea(Code::Ok)).await;
    assert_eq!(refusal(&status), (Code::Aborted, "IN_PROGRESS".to_owned()));
    let (Some(delay), Some(pushback)) = come_back(&status) else {
        panic!("{status:?}");
    };
    assert!(delay > Duration::ZERO && delay <= secs(30), "{delay:?}");
    assert_eq!(u128::from(pushback), delay.as_millis());
    shop.gate.add_permits(1);
    assert_eq!(running.await.unwrap().unwrap().get_ref().run, 1);
    let replay = client.order("Slow", &tea(Code::Ok)).await.unwrap();
    assert!(is_replay(replay.metadata()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn another_message_with_the_key_is_refused_and_nothing_of_the_first_is_told() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    client.order("Charge", &tea(Code::Ok)).await.unwrap();
    let coffee = Charge { order: "coffee".to_owned(), ..tea(Code::Ok) };
    let status = client.fails("Charge", &coffee).await;
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "FINGERPRINT_MISMATCH".to_owned()));
    assert_eq!(come_back(&status), (None, None));
    assert_eq!(status.message(), "this key was already used with a different payload");
    assert!(!String::from_utf8_lossy(status.details()).contains("tea"));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_lost_call_at_most_once_is_refused_until_it_is_resolved() {
    let (shop, clock) = Shop::with_clock();
    let (client, _server) = Client::of(&shop).await;
    let panics = Charge { order: "panic".to_owned(), ..tea(Code::Ok) };
    client.fails("Slow", &panics).await;
    clock.advance(secs(30));
    let status = client.fails("Slow", &panics).await;
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "INDETERMINATE".to_owned()));
    assert_eq!(come_back(&status), (None, None));
    let page = shop.engine.scan(&Scan::unfinished()).await.unwrap();
    for (wrong, advice) in [
        (Resolution::completed(9), "`Resolution::completed_binary(&Response::new(…))`"),
        (
            Resolution::completed(9).of_any_type(),
            "`Resolution::completed_binary(&Response::new(…))`",
        ),
        (Resolution::failed("declined"), "`Resolution::failed_binary(&Status::new(…))`"),
    ] {
        let error = shop.engine.resolve(&page.entries[0], wrong).await.unwrap_err();
        assert!(error.to_string().contains(advice), "{error}");
    }
    let found =
        Resolution::completed_binary(&Response::new(Receipt { run: 9, ..Receipt::default() }));
    shop.engine.resolve(&page.entries[0], found).await.unwrap();
    let replay = client.order("Slow", &panics).await.unwrap();
    assert_eq!((replay.get_ref().run, is_replay(replay.metadata())), (9, true));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_unavailable_and_says_nothing_of_itself() {
    let store = FaultyStore::new(MemoryStore::new());
    let shop = Shop::on(store.clone());
    let (client, _server) = Client::of(&shop).await;
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let status = client.fails("Charge", &tea(Code::Ok)).await;
    assert_eq!(refusal(&status), (Code::Unavailable, "STORE_UNAVAILABLE".to_owned()));
    assert_eq!(come_back(&status), (Some(secs(1)), Some(1000)));
    assert_eq!(status.message(), "the idempotency store is unavailable");
    assert_eq!(shop.runs.count(), 0);
    store.heal();
    assert_eq!(client.order("Charge", &tea(Code::Ok)).await.unwrap().get_ref().run, 1);
}

#[tokio::test]
async fn with_the_store_down_after_the_effect_the_caller_has_its_answer() {
    let store = FaultyStore::new(MemoryStore::new());
    let shop = Shop::on(store.clone());
    let (client, _server) = Client::of(&shop).await;
    store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    assert_eq!(client.order("Charge", &tea(Code::Ok)).await.unwrap().get_ref().run, 1);
    let meanwhile = client.fails("Charge", &tea(Code::Ok)).await;
    assert_eq!(refusal(&meanwhile), (Code::Aborted, "IN_PROGRESS".to_owned()));
    let tries = store.calls(StoreMethod::Complete);
    store.heal();
    store.until_called(StoreMethod::Complete, tries + 1).await;
    let mut last = client.order("Charge", &tea(Code::Ok)).await;
    while last.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        last = client.order("Charge", &tea(Code::Ok)).await;
    }
    assert!(is_replay(last.unwrap().metadata()));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_record_of_another_kind_is_internal_and_runs_nothing() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let other = Operation::new("payments.nothing").key("k").scope("anybody").engine(&shop.engine);
    let other = other.returning::<Result<String, Error>>();
    other.run(|| async { Ok("somebody's secret".to_owned()) }).await.unwrap();
    let status = client.fails("Nothing", &tea(Code::Ok)).await;
    assert_eq!(refusal(&status), (Code::Internal, "DECODE".to_owned()));
    assert!(!format!("{status:?}").contains("secret"));
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn a_record_of_another_version_is_internal_and_runs_nothing() {
    let shop = Shop::new();
    let call = |version| {
        let call = Operation::new("payments.versions").version(version).key("k");
        call.engine(&shop.engine).returning_grpc::<Answer>()
    };
    let receipt = || async { Ok(Response::new(Receipt::default())) };
    call(1).run(receipt).await.unwrap();
    let status = call(2).run(receipt).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Internal, "INCOMPATIBLE_RECORD".to_owned()));
}

#[tokio::test]
async fn map_error_says_otherwise() {
    let (client, _server) = Client::of(&Shop::new()).await;
    let nameless = Charge { order: String::new(), ..tea(Code::Ok) };
    let status = client.fails("Quota", &nameless).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::OutOfRange, "the order's number is empty")
    );
}

#[tokio::test]
async fn the_error_itself_stays_in_the_process() {
    let call = Operation::new("payments.source").key("").returning_grpc::<Answer>();
    let status = call.run(|| async { Err(Status::internal("")) }).await.unwrap_err();
    let error = status.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidKey, "payments.source"));
    let mut sent = http::HeaderMap::new();
    status.add_header(&mut sent).unwrap();
    assert!(!format!("{sent:?}").contains("payments.source"), "{sent:?}");
    assert_eq!(grpc::code_of(error.kind()), status.code());
}
