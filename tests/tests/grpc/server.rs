//! A server on a socket, a client of it, and what a status's details say.

use std::sync::Arc;

use http::uri::PathAndQuery;
use tokio::task::AbortHandle;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use super::payments::{Answer, PaymentsServer};
use super::{Charge, Receipt, Shop};

/// A server that lives as long as this.
pub(crate) struct Server {
    endpoint: Endpoint,
    serving: AbortHandle,
}

impl Server {
    pub(crate) async fn start(shop: &Shop) -> Self {
        Self::serve(Routes::new(PaymentsServer(Arc::new(shop.clone())))).await
    }

    pub(crate) async fn serve(routes: Routes) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_routes(routes)
            .serve_with_incoming(TcpIncoming::from(listener));
        let serving = tokio::spawn(server).abort_handle();
        Self { endpoint: Endpoint::try_from(format!("http://{address}")).unwrap(), serving }
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        Client(self.endpoint.connect().await.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Clone)]
pub(crate) struct Client(Channel);

impl Client {
    /// A shop's client, with a server that lives as long as its handle.
    pub(crate) async fn of(shop: &Shop) -> (Self, Server) {
        let server = Server::start(shop).await;
        (server.client().await, server)
    }

    pub(crate) async fn send(&self, method: &'static str, request: Request<Charge>) -> Answer {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::try_from(format!("/shop.Payments/{method}")).unwrap();
        grpc.unary(request, path, ProstCodec::<Charge, Receipt>::default()).await
    }

    /// An order, under the key `k`.
    pub(crate) async fn order(&self, method: &'static str, charge: &Charge) -> Answer {
        self.send(method, keyed("k", charge)).await
    }

    /// The same, which fails.
    pub(crate) async fn fails(&self, method: &'static str, charge: &Charge) -> Status {
        self.order(method, charge).await.expect_err("it does not fail")
    }
}

pub(crate) fn keyed(key: &str, charge: &Charge) -> Request<Charge> {
    let mut request = Request::new(charge.clone());
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

/// An order of tea, whose method answers a code.
pub(crate) fn tea(code: Code) -> Charge {
    Charge { order: "tea".to_owned(), cents: 350, code: code.into() }
}

/// Whether an answer's metadata says that it is a replay.
pub(crate) fn is_replay(metadata: &tonic::metadata::MetadataMap) -> bool {
    metadata.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// The code, and the reason that a refusal gives.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().expect("a refusal has an `ErrorInfo`");
    assert_eq!(info.domain, "idempotent-core");
    (status.code(), info.reason.clone())
}
