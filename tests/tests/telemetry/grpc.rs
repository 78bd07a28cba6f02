//! Methods of a tonic service under the attribute.

use idempotent_core::{Idempotency, grpc, idempotent};
use idempotent_tests::{engine, millis, settle};
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Response, Status};

use crate::captured::Captured;

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Charge {
    /// The code of the status that is answered; 0 for a receipt.
    #[prost(int32, tag = "1")]
    code: i32,
}

struct Payments(Idempotency);

impl Payments {
    #[idempotent(
        key = grpc::key(&request)?,
        scope = "everybody",
        name = "payments.charge",
        guarantee = at_most_once,
        engine = self.0,
        grpc
    )]
    async fn charge(&self, request: Request<Charge>) -> Result<Response<Charge>, Status> {
        tracing::info!("in the body");
        sleep(millis(600)).await;
        tracing::info!("still in the body");
        match Code::from(request.get_ref().code) {
            Code::Ok => Ok(Response::new(request.into_inner())),
            code => Err(Status::new(code, "as it is told to")),
        }
    }
}

fn request(code: Code) -> Request<Charge> {
    let mut request = Request::new(Charge { code: code.into() });
    request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn a_method_runs_within_its_calls_span() {
    let captured = Captured::start();
    let payments = Payments(engine());
    let running = payments.charge(request(Code::Ok));
    tokio::pin!(running);
    timeout(millis(300), &mut running).await.unwrap_err();
    assert!(!captured.call().closed);
    running.await.unwrap();
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    payments.charge(request(Code::Ok)).await.unwrap();
    payments.charge(Request::new(Charge::default())).await.unwrap_err();
    assert_eq!(captured.ends()[..2], ["executed kept", "replayed none"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_says_what_becomes_of_the_key() {
    for (code, end) in [
        (Code::Unauthenticated, "executed released"),
        (Code::Internal, "executed indeterminate"),
        (Code::AlreadyExists, "executed kept"),
    ] {
        let captured = Captured::start();
        Payments(engine()).charge(request(code)).await.unwrap_err();
        assert_eq!(captured.end(), end, "{code}");
        captured.assert_body_is_inside();
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_whose_client_goes_away_is_dropped() {
    let captured = Captured::start();
    timeout(millis(300), Payments(engine()).charge(request(Code::Ok))).await.unwrap_err();
    settle().await;
    assert_eq!(captured.end(), "dropped held");
}
