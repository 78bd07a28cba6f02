//! Paging through all records.

use std::collections::BTreeMap;

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

impl Fixture {
    /// The records of all pages, by id. A record that was seen twice counts once.
    async fn scan(&self, mut request: Scan) -> BTreeMap<String, Entry> {
        let mut seen = BTreeMap::new();
        loop {
            let page = self.store.scan(&request).await.unwrap();
            assert!(page.entries.len() <= request.limit);
            let named = page.entries.into_iter();
            seen.extend(named.map(|(id, entry)| (id.to_string(), entry)));
            match page.next {
                Some(next) => request = request.after(next),
                None => return seen,
            }
        }
    }

    /// 50 records of each kind.
    async fn populate(&self) {
        for n in 0..50 {
            let lasting = self.won(&id(n), AtMostOnce).await;
            self.complete(&id(n), &lasting, b"result").await;
            let passing = self.won(&id(50 + n), AtLeastOnce).await;
            self.complete(&id(50 + n), &passing, b"result").await;
            self.won(&id(100 + n), AtMostOnce).await;
            self.won(&id(150 + n), AtLeastOnce).await;
        }
        self.clock.advance(LEASE);
        for n in 0..50 {
            self.won(&id(200 + n), AtLeastOnce).await;
        }
    }
}

fn ids(range: std::ops::Range<u64>) -> Vec<String> {
    let mut ids: Vec<_> = range.map(|n| id(n).to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn every_record_is_seen_whatever_the_size_of_a_page() {
    let f = Fixture::new();
    f.populate().await;
    for limit in [1, 7, 100, 1000] {
        let seen = f.scan(Scan::all().limit(limit)).await;
        assert!(seen.keys().cloned().eq(ids(0..250)), "{limit}");
        let results = seen.values().filter(|entry| entry.state == State::Completed);
        assert!(results.map(kept).eq(std::iter::repeat_n(b"result", 100)));
    }
}

#[tokio::test]
async fn a_scan_of_what_is_unfinished_sees_that_alone() {
    let f = Fixture::new();
    f.populate().await;

    let seen = f.scan(Scan::unfinished().limit(11)).await;

    assert!(seen.keys().cloned().eq(ids(100..250)));
    let count = |state| seen.values().filter(|entry| entry.state == state).count();
    let counts = [State::Reserved, State::Lapsed, State::Indeterminate].map(count);
    assert_eq!(counts, [50; 3]);
    assert!(f.scan(Scan::unfinished().operation("other")).await.is_empty());
    assert_eq!(f.scan(Scan::unfinished().operation(NAME)).await.len(), 150);
}

#[tokio::test]
async fn records_that_come_and_go_do_not_hide_those_that_stay() {
    let f = Fixture::new();
    f.populate().await;
    let mut seen = Vec::new();
    let mut request = Scan::all().limit(10);
    for n in 1000.. {
        let page = f.store.scan(&request).await.unwrap();
        seen.extend(page.entries.into_iter().map(|(id, _)| id.to_string()));
        let Some(next) = page.next else { break };
        request = request.after(next);
        f.won(&id(n), AtLeastOnce).await;
        f.store.purge(&id(n - 1)).await.unwrap();
    }
    assert!(ids(0..250).iter().all(|id| seen.contains(id)));
}

#[tokio::test]
async fn a_foreign_cursor_is_an_error() {
    let f = Fixture::new();
    for text in ["", "17", "a:b", "1:zz"] {
        let request = Scan::all().after(Cursor(text.to_owned()));
        assert!(f.store.scan(&request).await.is_err(), "{text}");
    }
}
