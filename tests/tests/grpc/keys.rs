//! The key in a request's metadata.

use tonic::{Code, Request};

use super::server::{keyed, refusal, tea};
use super::{Client, Shop};

#[tokio::test]
async fn a_request_without_a_key_runs_nothing() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let status = client.send("Charge", Request::new(tea(Code::Ok))).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "MISSING_KEY".to_owned()));
    assert_eq!(status.message(), "the idempotency key is missing");
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_says_why() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    let long = "k".repeat(256);
    for (key, reason, why) in [
        (" ", "INVALID_KEY", "is empty"),
        ("a,b", "INVALID_KEY", "is a list"),
        ("\"a", "INVALID_KEY", "neither a quoted string nor a bare key"),
        (&long, "KEY_TOO_LONG", "more than 255 characters"),
    ] {
        let status = client.send("Charge", keyed(key, &tea(Code::Ok))).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, reason.to_owned()), "{key}");
        assert!(status.message().contains(why), "{key}: {}", status.message());
    }
    let mut repeated = keyed("k", &tea(Code::Ok));
    repeated.metadata_mut().append("idempotency-key", "k".parse().unwrap());
    let status = client.send("Charge", repeated).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_KEY".to_owned()));
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn a_quoted_key_and_the_bare_one_are_the_same() {
    let shop = Shop::new();
    let (client, _server) = Client::of(&shop).await;
    for key in ["order-7", "\"order-7\"", "order-7;v=1"] {
        let answer = client.send("Charge", keyed(key, &tea(Code::Ok))).await.unwrap();
        assert_eq!(answer.get_ref().run, 1, "{key}");
    }
}
