//! A gRPC service within the HTTP layer, as where one server has both.

use std::sync::Arc;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::store::Scan;
use idempotent_tests::Log;
use tonic::service::Routes;
use tonic::{Code, Request};

use super::Shop;
use super::payments::PaymentsServer;
use super::server::{Server, is_replay, refusal, tea};

#[tokio::test]
async fn the_layer_leaves_the_keys_of_a_service_that_it_passes_to_the_attribute() {
    let (shop, around) = (Shop::new(), Idempotency::new(MemoryStore::new()));
    let layer = IdempotencyLayer::at_least_once(around.clone(), "shop");
    let routes = Routes::new(PaymentsServer(Arc::new(shop.clone()))).into_axum_router();
    let routes = routes.layer(layer.scope(|_| "everybody").required().pass_grpc("shop.Payments"));
    let server = Server::serve(Routes::from(routes)).await;
    let client = server.client().await;
    let first = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    let second = client.order("Charge", &tea(Code::Ok)).await.unwrap();
    assert!(!is_replay(first.metadata()) && is_replay(second.metadata()));
    assert_eq!(first.get_ref(), second.get_ref());
    let missing = client.send("Charge", Request::new(tea(Code::Ok))).await.unwrap_err();
    assert_eq!(refusal(&missing), (Code::InvalidArgument, "MISSING_KEY".to_owned()));
    assert_eq!(shop.runs.count(), 1);
    assert!(around.scan(&Scan::all()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_service_that_the_layer_was_not_told_of_is_not_reached_with_a_key() {
    let (log, _guard) = Log::listen();
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(Idempotency::new(MemoryStore::new()), "shop");
    let routes = Routes::new(PaymentsServer(Arc::new(shop.clone()))).into_axum_router();
    let server = Server::serve(Routes::from(routes.layer(layer.scope(|_| "everybody")))).await;
    let client = server.client().await;
    let refused = client.order("Charge", &tea(Code::Ok)).await.unwrap_err();
    assert!(refused.message().contains("415"), "{refused:?}");
    let missing = client.send("Charge", Request::new(tea(Code::Ok))).await.unwrap_err();
    assert_eq!(refusal(&missing), (Code::InvalidArgument, "MISSING_KEY".to_owned()));
    assert_eq!(shop.runs.count(), 0);
    assert_eq!(log.events("gRPC without a key passes unguarded").len(), 1);
}
