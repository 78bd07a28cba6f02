//! What becomes of the key when a method answers a status.

use idempotent_core::engine::Resolution;
use idempotent_core::store::Scan;
use idempotent_core::{Guarantee, Operation};
use idempotent_tests::secs;
use tonic::{Code, Response, Status};

use super::payments::Answer;
use super::server::{is_replay, refusal, tea};
use super::{Client, Receipt, Shop};

#[tokio::test]
async fn a_final_status_is_replayed_with_its_details_and_metadata() {
    for code in [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::OutOfRange,
    ] {
        let shop = Shop::new();
        let (client, _server) = Client::of(&shop).await;
        let first = client.fails("Charge", &tea(code)).await;
        let second = client.fails("Charge", &tea(code)).await;
        assert_eq!((first.code(), first.message()), (code, "“no”, says run 1"));
        assert_eq!((second.code(), second.message()), (code, "“no”, says run 1"));
        assert_eq!((first.details(), second.details()), (&[0, 255, 7][..], &[0, 255, 7][..]));
        for name in ["x-run", "x-line"] {
            assert!(second.metadata().contains_key(name), "{name}");
            assert_eq!(first.metadata().get(name), second.metadata().get(name), "{name}");
        }
        let trace = second.metadata().get_bin("x-trace-bin").unwrap().to_bytes().unwrap();
        assert_eq!(&trace[..], b"\0\xff\x01");
        assert!(!is_replay(first.metadata()) && is_replay(second.metadata()), "{code:?}");
        assert_eq!(shop.runs.count(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_status_that_precedes_the_effect_lets_a_retry_run_at_once() {
    for code in [Code::Unauthenticated, Code::PermissionDenied] {
        let shop = Shop::new();
        let (client, _server) = Client::of(&shop).await;
        assert_eq!(client.fails("Charge", &tea(code)).await.message(), "“no”, says run 1");
        assert_eq!(client.fails("Charge", &tea(code)).await.message(), "“no”, says run 2");
    }
}

#[tokio::test]
async fn a_status_after_which_work_may_go_on_holds_the_key_until_its_lease_ends() {
    for code in [Code::Cancelled, Code::DeadlineExceeded] {
        let (shop, clock) = Shop::with_clock();
        let (client, _server) = Client::of(&shop).await;
        assert_eq!(client.fails("Charge", &tea(code)).await.code(), code);
        let held = client.fails("Charge", &tea(code)).await;
        assert_eq!(refusal(&held), (Code::Aborted, "HELD".to_owned()), "{code:?}");
        assert_eq!(shop.runs.count(), 1, "{code:?}");
        clock.advance(secs(30));
        assert_eq!(client.fails("Charge", &tea(code)).await.message(), "“no”, says run 2");
    }
}

#[tokio::test]
async fn a_status_that_leaves_the_effect_unknown_lets_a_retry_run_under_at_least_once() {
    for code in [
        Code::Unknown,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
    ] {
        let shop = Shop::new();
        let (client, _server) = Client::of(&shop).await;
        assert_eq!(client.fails("Charge", &tea(code)).await.message(), "“no”, says run 1");
        assert_eq!(client.fails("Charge", &tea(code)).await.message(), "“no”, says run 2");
    }
}

#[tokio::test]
async fn on_error_says_otherwise() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let busy = tea(Code::ResourceExhausted);
    assert_eq!(client.fails("Quota", &busy).await.message(), "“no”, says run 1");
    assert_eq!(client.fails("Quota", &busy).await.message(), "“no”, says run 2");
    let gone = tea(Code::NotFound);
    assert_eq!(client.fails("Quota", &gone).await.message(), "“no”, says run 3");
    let replay = client.fails("Quota", &gone).await;
    assert_eq!((replay.message(), is_replay(replay.metadata())), ("“no”, says run 3", true));
}

#[tokio::test]
async fn a_refusal_that_a_method_passes_on_is_not_its_last_word() {
    let shop = Shop::new();
    let gateway = async || -> Answer {
        let call = Operation::new("gateway").guarantee(Guarantee::AtMostOnce).key("k");
        let call = call.engine(&shop.engine).returning_grpc::<Answer>();
        call.run(|| async { Err(Status::unknown("the gateway hung up")) }).await
    };
    let order = async || -> Answer {
        let call = Operation::new("order").key("k").engine(&shop.engine);
        call.returning_grpc::<Answer>().run(&gateway).await
    };
    assert_eq!(order().await.unwrap_err().code(), Code::Unknown);
    let indeterminate = (Code::FailedPrecondition, "INDETERMINATE".to_owned());
    assert_eq!(refusal(&order().await.unwrap_err()), indeterminate);
    let page = shop.engine.scan(&Scan::unfinished()).await.unwrap();
    let lost = page.entries.iter().find(|seen| seen.operation() == "gateway").unwrap();
    let found =
        Resolution::completed_binary(&Response::new(Receipt { run: 9, ..Receipt::default() }));
    shop.engine.resolve(lost, found).await.unwrap();
    assert_eq!(order().await.unwrap().get_ref().run, 9);
}
