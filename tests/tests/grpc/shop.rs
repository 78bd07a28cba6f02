//! The service behind the tests: methods under the attribute, which count their runs.

use std::sync::Arc;

use idempotent_core::backends::MemoryStore;
use idempotent_core::grpc::disposition_of;
use idempotent_core::store::Store;
use idempotent_core::testing::ManualClock;
use idempotent_core::{Disposition, Error, ErrorKind, Idempotency, grpc, idempotent};
use idempotent_tests::{Runs, secs, until_within};
use tokio::sync::Semaphore;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status};

use super::payments::{Answer, Payments};
use super::{Charge, Receipt};

/// What the methods share with their test.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) engine: Idempotency,
    pub(crate) runs: Runs,
    /// The slow methods pass with a permit of it.
    pub(crate) gate: Arc<Semaphore>,
    /// How often a slow method was over, its end reached or not; its body apart, if it is detached.
    pub(crate) over: Runs,
}

/// Counts when it is dropped.
struct Over(Runs);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.note();
    }
}

impl Shop {
    pub(crate) fn on(store: impl Store) -> Self {
        Self::with(Idempotency::new(store))
    }

    pub(crate) fn with(engine: Idempotency) -> Self {
        Self { engine, runs: Runs::new(), gate: Arc::new(Semaphore::new(0)), over: Runs::new() }
    }

    pub(crate) fn new() -> Self {
        Self::on(MemoryStore::new())
    }

    /// A shop whose leases lapse when the clock is moved.
    pub(crate) fn with_clock() -> (Self, ManualClock) {
        let clock = ManualClock::new();
        (Self::on(MemoryStore::builder().clock(Arc::new(clock.clone())).build()), clock)
    }

    /// Waits until a body has begun.
    pub(crate) async fn until_it_runs(&self) {
        until_within(secs(20), async || self.runs.count() > 0).await;
    }

    /// Waits until a slow method is over.
    pub(crate) async fn until_it_is_over(&self) {
        until_within(secs(20), async || self.over.count() > 0).await;
    }

    fn answer(&self, charge: &Charge) -> Answer {
        let run = self.runs.note() as u64;
        if charge.code != 0 {
            return Err(status(Code::from(charge.code), run));
        }
        let mut response = Response::new(Receipt {
            order: charge.order.clone(),
            run,
            lines: vec![charge.clone(), Charge::default()],
        });
        *response.metadata_mut() = metadata(run);
        Ok(response)
    }

    async fn slowly(&self, charge: &Charge) -> Answer {
        if charge.order == "panic" {
            self.runs.note();
            std::panic::resume_unwind(Box::new("a method that panics"));
        }
        let _over = Over(self.over.clone());
        let answer = self.answer(charge);
        match self.gate.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(Status::unavailable("the test is over")),
        }
        answer
    }

    #[idempotent(
        key = grpc::key(&request)?,
        scope = tenant(&request),
        name = "payments.detached",
        guarantee = at_most_once,
        engine = self.engine,
        detach,
        grpc
    )]
    async fn detached_from(self: Arc<Self>, request: Request<Charge>) -> Answer {
        self.slowly(request.get_ref()).await
    }
}

/// Metadata of an answer, of every kind, and what is not the answer's own.
fn metadata(run: u64) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-run", run.into());
    metadata.append("x-line", MetadataValue::from_static("one"));
    metadata.append("x-line", MetadataValue::from_static("two"));
    metadata.insert_bin("x-trace-bin", MetadataValue::from_bytes(b"\0\xff\x01"));
    metadata.insert("set-cookie", MetadataValue::from_static("session=1"));
    metadata
}

fn status(code: Code, run: u64) -> Status {
    let details = vec![0, 255, 7].into();
    let message = format!("“no”, says run {run}");
    Status::with_details_and_metadata(code, message, details, metadata(run))
}

/// Who calls: tests say it in metadata, services by authentication.
fn tenant(request: &Request<Charge>) -> String {
    let tenant = request.metadata().get("tenant").and_then(|tenant| tenant.to_str().ok());
    tenant.unwrap_or("anybody").to_owned()
}

fn quota_first(status: &Status) -> Disposition {
    match status.code() {
        Code::ResourceExhausted => Disposition::Release,
        _ => disposition_of(status),
    }
}

fn refused(error: Error) -> Status {
    match error.kind() {
        ErrorKind::InvalidKey => Status::out_of_range("the order's number is empty"),
        _ => error.into(),
    }
}

#[tonic::async_trait]
impl Payments for Shop {
    #[idempotent(
        key = grpc::key(&request)?,
        scope = tenant(&request),
        fingerprint = grpc::payload(request.get_ref()),
        name = "payments.charge",
        engine = self.engine,
        grpc
    )]
    async fn charge(&self, request: Request<Charge>) -> Answer {
        self.answer(request.get_ref())
    }

    #[idempotent(
        key = grpc::key(&request)?,
        scope = tenant(&request),
        name = "payments.nothing",
        engine = self.engine,
        grpc
    )]
    async fn nothing(&self, request: Request<Charge>) -> Answer {
        self.runs.note();
        drop(request);
        Ok(Response::new(Receipt::default()))
    }

    #[idempotent(
        key = request.get_ref().order,
        name = "payments.quota",
        engine = self.engine,
        on_error = quota_first,
        map_error = refused,
        grpc
    )]
    async fn quota(&self, request: Request<Charge>) -> Answer {
        self.answer(request.get_ref())
    }

    #[idempotent(
        key = grpc::key(&request)?,
        scope = tenant(&request),
        name = "payments.slow",
        guarantee = at_most_once,
        engine = self.engine,
        grpc
    )]
    async fn slow(&self, request: Request<Charge>) -> Answer {
        self.slowly(request.get_ref()).await
    }

    #[idempotent(
        key = grpc::key(&request)?,
        scope = tenant(&request),
        name = "payments.waiting",
        wait = "20s",
        engine = self.engine,
        grpc
    )]
    async fn waiting(&self, request: Request<Charge>) -> Answer {
        self.slowly(request.get_ref()).await
    }

    async fn detached(&self, request: Request<Charge>) -> Answer {
        let _over = Over(self.over.clone());
        Arc::new(self.clone()).detached_from(request).await
    }
}
