//! What leaves by itself: long records, and what would not fit.

use idempotent_core::store::{ReserveOutcome, State};
use idempotent_servers::{Server, require};

use super::setup::{attempts, record_all, started, transactions, win_all};
use crate::setup::number;

#[tokio::test]
async fn a_long_record_leaves_alone_and_comes_back_alone() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(11);
    let reservations = win_all(&store, &attempts).await;
    let long = vec![7; 300 << 10];
    let (few, ()) = futures::join!(
        record_all(&store, &attempts[1..], &reservations[1..], b"result"),
        attempts[0].record(&store, &reservations[0], &long),
    );
    let () = few;
    assert_eq!(transactions(&server).await, 2);
    let longest = "SELECT count(*) FROM idempotent.records WHERE octet_length(record) > 300000
        AND xmin NOT IN (SELECT xmin FROM idempotent.records WHERE octet_length(record) < 300000)";
    assert_eq!(number(&server, longest).await, 1);
    let outcomes =
        futures::future::join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await;
    for outcome in outcomes {
        let Ok(ReserveOutcome::Taken(entry)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(entry.state, State::Completed);
    }
}

#[tokio::test]
async fn a_group_has_no_more_members_and_bytes_than_its_limits() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(250);
    let reservations = win_all(&store, &attempts).await;
    assert!(transactions(&server).await >= 3);
    let most = "SELECT max(count) FROM
        (SELECT count(*) AS count FROM idempotent.records GROUP BY xmin::text) AS groups";
    assert!(number(&server, most).await <= 100);
    // Ten of them are a mebibyte.
    let longish = vec![7; 100 << 10];
    record_all(&store, &attempts[..40], &reservations[..40], &longish).await;
    let most = "SELECT max(count) FROM (SELECT count(*) AS count FROM idempotent.records
        WHERE octet_length(record) > 100000 GROUP BY xmin::text) AS groups";
    assert!(number(&server, most).await <= 10);
}
