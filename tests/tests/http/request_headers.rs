//! Headers of a response that belong to its request and not to the result: no replay has the first one's.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::post as on_post;
use http::header::{HeaderName, HeaderValue, ORIGIN};
use idempotent_core::http::IdempotencyKey;
use idempotent_core::{Idempotency, idempotent};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{Server, Shop, layer, post};
use crate::raw_client::Wire;

const SITES: [&str; 2] = ["https://a.example", "https://b.example"];

/// CORS that answers each site with its own name.
fn cors() -> CorsLayer {
    let sites = SITES.map(HeaderValue::from_static);
    CorsLayer::new().allow_origin(AllowOrigin::list(sites)).allow_credentials(true)
}

fn from(site: &str) -> Wire {
    post("/orders").key("k").line(format!("Origin: {site}"))
}

#[tokio::test]
async fn with_cors_outside_a_replay_has_its_own_origin() {
    let shop = Shop::new();
    let server = Server::start(shop.router().layer(layer()).layer(cors())).await;
    for (site, is_replay) in SITES.into_iter().zip([false, true]) {
        let reply = server.send(&from(site)).await;
        assert_eq!(reply.is_replay(), is_replay);
        assert_eq!(reply.all("access-control-allow-origin"), [site]);
    }
}

#[tokio::test]
async fn with_cors_inside_a_replay_has_no_other_sites_origin() {
    let shop = Shop::new();
    let server = Server::start(shop.router().layer(cors()).layer(layer())).await;
    let first = server.send(&from(SITES[0])).await;
    assert_eq!(first.get("access-control-allow-origin"), Some(SITES[0]));
    let second = server.send(&from(SITES[1])).await;
    assert!(second.is_replay());
    let cors = second.lines.iter().filter(|(name, _)| name.starts_with("access-control-"));
    assert_eq!(cors.count(), 0, "{:?}", second.lines);
}

/// Of one request or one moment, as middlewares and frameworks add them.
const OF_THE_REQUEST: [(&str, &str); 24] = [
    ("server-timing", "db;dur=53"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "a=b"),
    ("traceresponse", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("baggage", "user=7"),
    ("b3", "1"),
    ("x-b3-traceid", "1"),
    ("x-request-id", "req-1"),
    ("x-correlation-id", "c-1"),
    ("x-amzn-trace-id", "Root=1"),
    ("x-ratelimit-remaining", "59"),
    ("ratelimit", "\"default\";r=50;t=30"),
    ("authentication-info", "nextnonce=\"7\""),
    ("www-authenticate", "Bearer"),
    ("clear-site-data", "\"cookies\""),
    ("x-auth-token", "secret"),
    ("x-csrf-token", "secret"),
    ("refresh-token", "secret"),
    ("x-session-id", "secret"),
    ("dpop-nonce", "secret"),
    ("rate-limit-reset", "7"),
    ("x-cache", "MISS"),
    ("age", "7"),
    ("x-runtime", "0.02"),
];

/// Of the result, however much like those it looks.
const OF_THE_RESULT: [(&str, &str); 5] = [
    ("vary", "origin"),
    ("etag", "\"1\""),
    ("x-order-id", "7"),
    ("cache-control", "private"),
    ("content-language", "de"),
];

async fn decorate(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in OF_THE_REQUEST.into_iter().chain(OF_THE_RESULT) {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[tokio::test]
async fn traces_request_ids_and_rate_limits_are_not_replayed_and_the_results_own_headers_are() {
    let shop = Shop::new();
    let server = Server::start(shop.router().layer(from_fn(decorate)).layer(layer())).await;
    let (first, second) = server.twice(&post("/orders").key("k")).await;
    assert!(second.is_replay());
    for (name, value) in OF_THE_REQUEST {
        assert_eq!((first.get(name), second.get(name)), (Some(value), None), "{name}");
    }
    for (name, value) in OF_THE_RESULT {
        assert_eq!((first.get(name), second.get(name)), (Some(value), Some(value)), "{name}");
    }
}

#[tokio::test]
async fn a_header_of_the_request_is_kept_if_the_layer_says_so() {
    let shop = Shop::new();
    let layer = layer()
        .keep_header(HeaderName::from_static("x-request-id"))
        .keep_header(HeaderName::from_static("access-control-allow-origin"))
        .keep_header(HeaderName::from_static("connection"));
    let router = shop.router().layer(from_fn(decorate)).layer(cors()).layer(layer);
    let server = Server::start(router).await;
    let (_, second) = server.twice(&from(SITES[0])).await;
    assert_eq!(second.get("x-request-id"), Some("req-1"));
    assert_eq!(second.get("access-control-allow-origin"), Some(SITES[0]));
    assert_eq!((second.get("traceparent"), second.all("connection").len()), (None, 1));
}

#[tokio::test]
async fn headers_are_kept_and_left_out_by_patterns() {
    let replayed = async |layer: idempotent_core::http::IdempotencyLayer| {
        let router = Shop::new().router().layer(from_fn(decorate)).layer(layer);
        let (_, second) = Server::start(router).await.twice(&post("/orders").key("k")).await;
        assert!(second.is_replay());
        let marks = ["date", "idempotency-", "content-length", "connection"];
        let names = second.lines.into_iter().map(|(name, _)| name);
        let mut names: Vec<_> =
            names.filter(|name| !marks.iter().any(|mark| name.starts_with(mark))).collect();
        names.sort();
        names
    };
    let only = layer().keep_only_headers(["Content-*", "etag", "x-request-id"]);
    assert_eq!(replayed(only).await, ["content-language", "content-type", "etag"]);
    let only =
        layer().keep_only_headers(["etag"]).keep_header(HeaderName::from_static("x-request-id"));
    assert_eq!(replayed(only).await, ["etag", "x-request-id"]);
    let without = layer().strip_headers("x-*").strip_headers("*ontrol").strip_headers("CONTENT-*");
    assert_eq!(replayed(without).await, ["etag", "location", "vary"]);
}

#[idempotent(key = key, scope = "everybody", name = "traced", engine = engine, response)]
async fn traced(
    axum::extract::State(engine): axum::extract::State<Idempotency>,
    key: IdempotencyKey,
    request: Request,
) -> impl axum::response::IntoResponse {
    let site = request.headers()[ORIGIN].to_str().unwrap_or_default().to_owned();
    [("access-control-allow-origin", site), ("x-request-id", "req-1".to_owned())]
}

#[tokio::test]
async fn a_handler_with_the_attribute_does_the_same() {
    let router =
        Router::new().route("/orders", on_post(traced)).with_state(idempotent_tests::engine());
    let server = Server::start(router).await;
    let first = server.send(&from(SITES[0])).await;
    assert_eq!(first.get("access-control-allow-origin"), Some(SITES[0]));
    let second = server.send(&from(SITES[1])).await;
    assert!(second.is_replay());
    assert_eq!(
        (second.get("access-control-allow-origin"), second.get("x-request-id")),
        (None, None)
    );
}
