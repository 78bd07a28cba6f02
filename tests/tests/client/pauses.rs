//! How long the client pauses before each retry.

use std::time::{Duration, Instant, SystemTime};

use idempotent_core::client::IdempotentRetry;
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

#[tokio::test]
async fn a_retry_after_beyond_the_longest_is_cut_short() {
    let far = httpdate::fmt_http_date(SystemTime::now() + secs(86_400));
    let settings = still().max_retry_after(secs(15));
    let taken = pauses(settings, ["3600", "99999999999999999999", &far].map(asking)).await;
    assert_eq!(taken, [secs(15); 3]);
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
