//! The service and its messages, as a build script would write them from a `.proto`.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// What to charge, and how the method is to end.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Charge {
    #[prost(string, tag = "1")]
    pub(crate) order: String,
    #[prost(uint64, tag = "2")]
    pub(crate) cents: u64,
    /// The code of the status that is answered; 0 for a receipt.
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Receipt {
    #[prost(string, tag = "1")]
    pub(crate) order: String,
    /// Which run of the method it was, from 1.
    #[prost(uint64, tag = "2")]
    pub(crate) run: u64,
    #[prost(message, repeated, tag = "3")]
    pub(crate) lines: Vec<Charge>,
}

pub(crate) type Answer = Result<Response<Receipt>, Status>;

#[tonic::async_trait]
pub(crate) trait Payments: Send + Sync + 'static {
    async fn charge(&self, request: Request<Charge>) -> Answer;
    async fn nothing(&self, request: Request<Charge>) -> Answer;
    async fn quota(&self, request: Request<Charge>) -> Answer;
    async fn slow(&self, request: Request<Charge>) -> Answer;
    async fn waiting(&self, request: Request<Charge>) -> Answer;
    async fn detached(&self, request: Request<Charge>) -> Answer;
}

pub(crate) struct PaymentsServer<T>(pub(crate) Arc<T>);

impl<T> Clone for PaymentsServer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> NamedService for PaymentsServer<T> {
    const NAME: &'static str = "shop.Payments";
}

impl<T: Payments> Service<http::Request<Body>> for PaymentsServer<T> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let payments = Arc::clone(&self.0);
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let unary = service_fn(move |request: Request<Charge>| {
            let (payments, method) = (Arc::clone(&payments), method.clone());
            async move {
                match method.as_str() {
                    "Charge" => payments.charge(request).await,
                    "Nothing" => payments.nothing(request).await,
                    "Quota" => payments.quota(request).await,
                    "Slow" => payments.slow(request).await,
                    "Waiting" => payments.waiting(request).await,
                    "Detached" => payments.detached(request).await,
                    _ => Err(Status::unimplemented("no such method")),
                }
            }
        });
        Box::pin(async move {
            let codec = ProstCodec::<Receipt, Charge>::default();
            Ok(Grpc::new(codec).unary(unary, request).await)
        })
    }
}
