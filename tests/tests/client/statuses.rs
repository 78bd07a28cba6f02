//! Which answers are retried.

use idempotent_core::client::IdempotentRetry;
use reqwest::{Method, StatusCode};

use crate::recorded_pauses::{posted, quick, skipping};
use crate::server::{Server, Step, answer, problem, status};

#[tokio::test]
async fn answers_that_may_pass_are_retried() {
    for code in [408, 409, 425, 429, 500, 502, 503, 504] {
        assert_eq!(posted(status(code)).await, (2, 201), "{code}");
    }
}

#[tokio::test]
async fn every_other_answer_is_final() {
    let finals = [200, 201, 202, 204, 304, 400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413]
        .into_iter()
        .chain([415, 418, 421, 422, 423, 424, 426, 428, 431, 451, 501, 505, 511, 599]);
    for code in finals {
        assert_eq!(posted(status(code)).await, (1, code), "{code}");
    }
}

#[tokio::test]
async fn a_409_means_retry_later_unless_a_problem_says_what_else() {
    let ours = r#"{"status": 409, "code": "in_progress", "retryable": true}"#;
    let drafts = r#"{"title": "A request is outstanding for this Idempotency-Key"}"#;
    let held = r#"{"status": 409, "code": "held", "retryable": true}"#;
    let failed = r#"{"status": 409, "code": "owner_failed", "retryable": true}"#;
    for body in [ours, held, failed, drafts, "not even JSON"] {
        assert_eq!(posted(problem(409, body)).await, (2, 201), "{body}");
    }
    let taken = r#"{"code": "email_taken"}"#;
    assert_eq!(posted(problem(409, taken)).await, (1, 409));
    let plain = answer(409, &[("content-type", "application/json")], taken);
    assert_eq!(posted(plain).await, (2, 201), "what is no problem says nothing");
}

#[tokio::test]
async fn a_problem_that_is_not_retryable_is_final_and_handed_on_whole() {
    let body = r#"{"code": "incompatible_record", "retryable": false}"#;
    let server = Server::script([problem(500, body)]).await;
    let answer = quick().post(server.url("/a?b")).send().await.unwrap();
    assert_eq!(server.received().len(), 1);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.url().as_str(), server.url("/a?b"));
    assert!(answer.remote_addr().is_some());
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.text().await.unwrap(), body);
}

#[tokio::test]
async fn no_problem_makes_a_final_answer_retried() {
    for code in [400, 404, 410, 422, 423] {
        let problem = problem(code, r#"{"code": "in_progress", "retryable": true}"#);
        assert_eq!(posted(problem).await, (1, code));
    }
}

#[tokio::test]
async fn a_replayed_answer_is_final_whatever_its_status() {
    for header in ["Idempotency-Replayed", "Idempotent-Replayed"] {
        assert_eq!(posted(answer(500, &[(header, "true")], "")).await, (1, 500), "{header}");
        assert_eq!(posted(answer(500, &[(header, "false")], "")).await, (2, 201), "{header}");
    }
}

#[tokio::test]
async fn a_409_without_a_key_is_a_conflict_of_the_resource() {
    let server = Server::script([status(409)]).await;
    quick().put(server.url("/")).send().await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn methods_that_are_idempotent_by_themselves_are_retried_without_a_key() {
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let server = Server::script([503, 200].map(status)).await;
        let answer = quick().request(method.clone(), server.url("/")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), server.received().len()), (200, 2), "{method}");
    }
}

#[tokio::test]
async fn a_request_without_a_key_whose_method_is_not_idempotent_is_sent_once() {
    let settings = IdempotentRetry::new().key_methods([]);
    let server = Server::script([Step::Close, status(503)]).await;
    let lost = skipping(settings.clone()).0.post(server.url("/")).send().await;
    assert!(lost.unwrap_err().is_request());
    let answered = skipping(settings).0.post(server.url("/")).send().await;
    assert_eq!((answered.unwrap().status().as_u16(), server.received().len()), (503, 2));
}

#[tokio::test]
async fn what_is_retried_can_be_set_but_for_what_never_is() {
    let never = [400, 410, 422, 423];
    let statuses = never.into_iter().chain([418]).map(|code| StatusCode::from_u16(code).unwrap());
    let settings = IdempotentRetry::new().retry_statuses(statuses).retry_methods([Method::GET]);
    for (code, attempts) in [(400, 1), (410, 1), (422, 1), (423, 1), (503, 1), (418, 2)] {
        let server = Server::script([code, 201].map(status)).await;
        skipping(settings.clone()).0.post(server.url("/")).send().await.unwrap();
        assert_eq!(server.received().len(), attempts, "{code}");
    }
    let server = Server::script([status(418)]).await;
    skipping(settings).0.put(server.url("/")).send().await.unwrap();
    assert_eq!(server.received().len(), 1);
}
