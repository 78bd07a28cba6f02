//! How long the client pauses before each retry.

use std::time::{Duration, Instant, SystemTime};

use idempotent_core::client::{GaveUp, GaveUpReason, IdempotentRetry, RetryInfo};
use idempotent_tests::{millis, secs};

use crate::recorded_pauses::{client, skipping};
use crate::server::{Server, Step, answer, status};

/// The pauses of a request that is answered so, and by 201 afterwards.
async fn pauses(
    settings: IdempotentRetry,
    failures: impl IntoIterator<Item = Step>,
) -> Vec<Duration> {
    let server = Server::script(failures.into_iter().chain([status(201)])).await;
    let (client, pauses) = skipping(settings);
    let answer = client.post(server.url("/")).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(server.received().len(), pauses.taken().len() + 1);
    pauses.taken()
}

fn asking(retry_after: &str) -> Step {
    answer(503, &[("retry-after", retry_after)], "")
}

/// Settings without a backoff of their own.
fn still() -> IdempotentRetry {
    IdempotentRetry::new().first_pause(Duration::ZERO)
}

#[tokio::test]
async fn each_pause_is_between_zero_and_a_ceiling_that_doubles() {
    let settings = IdempotentRetry::new().first_pause(millis(100)).max_pause(secs(1));
    let ceilings = [100, 200, 400, 800, 1000, 1000].map(millis);
    let mut longest = [Duration::ZERO; 6];
    let mut shortest = [Duration::MAX; 6];
    for _ in 0..30 {
        let taken = pauses(settings.clone(), (0..6).map(|_| status(503))).await;
        assert_eq!(taken.len(), 6);
        for (at, pause) in taken.into_iter().enumerate() {
            assert!(pause <= ceilings[at], "{pause:?} before retry {}", at + 1);
            longest[at] = longest[at].max(pause);
            shortest[at] = shortest[at].min(pause);
        }
    }
    for at in 0..6 {
        // All of 30 in one half comes once in 10^9 runs.
        assert!(longest[at] > ceilings[at] / 2, "{longest:?}");
        assert!(shortest[at] < ceilings[at] / 2, "{shortest:?}");
    }
}

#[tokio::test]
async fn retry_after_in_seconds_is_waited_for() {
    assert_eq!(pauses(still(), ["0", "7", "12"].map(asking)).await, [0, 7, 12].map(secs));
}

#[tokio::test]
async fn retry_after_as_a_date_is_waited_for() {
    let served = SystemTime::now() + secs(86_400);
    let (date, later) =
        (httpdate::fmt_http_date(served), httpdate::fmt_http_date(served + secs(9)));
    let by_its_own_clock = answer(429, &[("date", &date), ("retry-after", &later)], "");
    assert_eq!(pauses(still(), [by_its_own_clock]).await, [secs(9)]);
}

#[tokio::test]
async fn a_date_without_the_servers_own_is_read_by_the_clients_clock() {
    let later = httpdate::fmt_http_date(SystemTime::now() + secs(20));
    let taken = pauses(still(), [asking(&later)]).await;
    assert!(taken[0] > secs(10) && taken[0] <= secs(20), "{taken:?}");
}

#[tokio::test]
async fn a_date_that_is_past_asks_for_nothing() {
    assert_eq!(pauses(still(), [asking("Wed, 21 Oct 2015 07:28:00 GMT")]).await, [Duration::ZERO]);
}

#[tokio::test]
async fn a_retry_after_that_cannot_be_read_asks_for_nothing() {
    assert_eq!(pauses(still(), ["soon", "-3", ""].map(asking)).await, [Duration::ZERO; 3]);
}

#[tokio::test]
async fn the_backoff_comes_on_top_so_that_clients_do_not_come_back_together() {
    let settings = IdempotentRetry::new().first_pause(secs(1));
    let mut sum = Duration::ZERO;
    for _ in 0..30 {
        let taken = pauses(settings.clone(), [asking("5")]).await;
        assert!(taken[0] >= secs(5) && taken[0] <= secs(6), "{taken:?}");
        sum += taken[0] - secs(5);
    }
    assert!(sum > secs(5), "{sum:?} in 30 pauses");
}

/// The error of a request that is answered so every time, and how often the server was asked.
async fn turned_away(
    settings: IdempotentRetry,
    answer: Step,
) -> (reqwest_middleware::Error, usize) {
    let server = Server::script([answer]).await;
    let (client, pauses) = skipping(settings);
    let error = client.post(server.url("/")).send().await.unwrap_err();
    assert!(pauses.taken().is_empty(), "{:?}", pauses.taken());
    (error, server.received().len())
}

#[tokio::test]
async fn nobody_is_asked_earlier_than_they_said() {
    for (retry_after, demanded) in
        [("45", secs(45)), ("3600", secs(3600)), ("99999999999999999999", secs(u64::MAX))]
    {
        let (error, requests) = turned_away(IdempotentRetry::new(), asking(retry_after)).await;
        let gave_up = GaveUp::of(&error).unwrap();
        assert_eq!((gave_up.reason(), requests), (GaveUpReason::RetryAfter, 1), "{retry_after}");
        assert_eq!(gave_up.retry_after(), Some(demanded));
        assert_eq!(gave_up.status().unwrap(), 503);
        assert!(gave_up.key().is_some());
        let text = format!("the server asks to wait {demanded:?}, which is longer than the 30s");
        assert!(gave_up.to_string().starts_with(&text), "{gave_up}");
    }
}

#[tokio::test]
async fn a_date_beyond_the_longest_pause_ends_the_retries_too() {
    let served = SystemTime::now() + secs(86_400);
    let (date, later) =
        (httpdate::fmt_http_date(served), httpdate::fmt_http_date(served + secs(31)));
    let by_its_own_clock = answer(429, &[("date", &date), ("retry-after", &later)], "");
    let (error, requests) = turned_away(still(), by_its_own_clock).await;
    assert_eq!(GaveUp::of(&error).unwrap().retry_after(), Some(secs(31)));
    let (error, _) = turned_away(still(), asking(&httpdate::fmt_http_date(served))).await;
    assert!(GaveUp::of(&error).unwrap().retry_after() > Some(secs(80_000)));
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn the_response_that_asked_for_too_long_a_pause_is_not_lost() {
    let answered = answer(429, &[("retry-after", "60"), ("x-quota", "0")], "come back later");
    let (error, _) = turned_away(still(), answered).await;
    let gave_up = GaveUp::of(&error).unwrap();
    let response = gave_up.take_response().unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-quota"], "0");
    assert_eq!(RetryInfo::of(&response).unwrap().attempts(), 1);
    assert_eq!(response.text().await.unwrap(), "come back later");
    assert!(gave_up.take_response().is_none());
}

#[tokio::test]
async fn a_longer_pause_is_made_where_it_is_allowed() {
    let hours = still().max_retry_after(secs(3600)).total_timeout(secs(3 * 3600));
    assert_eq!(pauses(hours, ["3600", "45"].map(asking)).await, [3600, 45].map(secs));
}

#[tokio::test]
async fn of_two_demands_the_longer_counts() {
    let by_a_proxy_too = answer(503, &[("retry-after", "3"), ("retry-after", "9")], "");
    assert_eq!(pauses(still(), [by_a_proxy_too]).await, [secs(9)]);
}

#[tokio::test]
async fn a_response_that_is_cut_off_has_said_when_to_return() {
    let half = |seconds: u32| {
        let head = format!("HTTP/1.1 503 Any\r\nretry-after: {seconds}\r\ncontent-length: 9\r\n");
        Step::Send(head + "\r\nlater")
    };
    assert_eq!(pauses(still(), [half(8)]).await, [secs(8)]);
    let (error, requests) = turned_away(still(), half(60)).await;
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.retry_after(), requests), (Some(secs(60)), 1));
    assert!(gave_up.take_response().is_none() && gave_up.status().is_none());
}

#[tokio::test]
async fn a_409_pauses_as_it_asks() {
    let outstanding = answer(409, &[("retry-after", "2")], "");
    assert_eq!(pauses(still(), [outstanding]).await, [secs(2)]);
}

#[tokio::test]
async fn without_a_timer_of_its_own_it_goes_by_the_clock() {
    let start = Instant::now();
    let server = Server::script([asking("1"), status(201)]).await;
    let answer = client(still()).post(server.url("/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), server.received().len()), (201, 2));
    assert!(start.elapsed() >= secs(1), "{:?}", start.elapsed());
}
