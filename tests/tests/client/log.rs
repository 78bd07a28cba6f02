//! What the log says of retries, and what it does not.

use idempotent_core::client::IdempotentRetry;
use idempotent_tests::Log;
use tracing::Level;

use crate::recorded_pauses::skipping;
use crate::server::{Server, Step, status};

#[tokio::test]
async fn each_retry_is_one_event_and_the_end_of_the_budget_another() {
    let (log, _listening) = Log::listen();
    let server = Server::script([status(503), Step::Close]).await;
    let client = skipping(IdempotentRetry::new().max_attempts(3)).0;
    client.post(server.url("/")).send().await.unwrap_err();
    let retries = log.events("sent again after a pause");
    let seen = |name| retries.iter().map(|event| event.field(name).to_owned()).collect::<Vec<_>>();
    assert_eq!(seen("attempt"), ["1", "2"]);
    assert_eq!(
        (seen("method"), seen("host")),
        (vec!["POST".to_owned(); 2], vec!["127.0.0.1".to_owned(); 2])
    );
    assert!(
        seen("why")[0] == "503" && seen("why")[1].starts_with("connection lost: "),
        "{retries:?}"
    );
    assert!(seen("pause_ms").iter().all(|pause| pause.parse::<u64>().is_ok()));
    let end = log.events("its outcome is not known");
    assert_eq!((end.len(), end[0].level, end[0].field("used_up")), (1, Level::WARN, "attempts"));
}

#[tokio::test]
async fn a_request_that_succeeds_at_once_says_nothing() {
    let (log, _listening) = Log::listen();
    let server = Server::script([status(201)]).await;
    skipping(IdempotentRetry::new()).0.post(server.url("/")).send().await.unwrap();
    assert!(log.events("sent again").is_empty());
}

#[tokio::test]
async fn neither_key_nor_url_nor_headers_nor_bodies_are_logged() {
    let (log, _listening) = Log::listen();
    let server = Server::script([status(503), Step::Close]).await;
    let client = skipping(IdempotentRetry::new().max_attempts(4)).0;
    let request = client.post(server.url("/path-7?token=query-7")).body("body-7");
    let request = request.basic_auth("user-7", Some("password-7"));
    request.send().await.unwrap_err();
    let key = server.keys()[0].trim_matches('"').to_owned();
    let told = format!("{:?}{:?}", log.events("sent again"), log.events("is not known"));
    assert!(told.contains("503"), "{told}");
    for secret in [key.as_str(), "path-7", "query-7", "body-7", "user-7", "password-7"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}
