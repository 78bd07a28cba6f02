//! How much memory a list takes whose records are as large as they may be.

use std::time::Duration;

use idempotent_servers::{Redis, Server, require};

use crate::large::{completed, connect, redis_key, run};

const MEBIBYTE: usize = 1 << 20;

#[tokio::test]
async fn pages_of_large_records_are_short() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let mut connection = connect(&redis.url()).await;
    for number in 0..100 {
        let (id, record) = completed(number, MEBIBYTE);
        let mut set = redis::cmd("SET");
        set.arg(redis_key(&id)).arg(record.as_bytes());
        let () = set.query_async(&mut connection).await.expect("it is written");
    }
    for pace in [&["list", "--fast"][..], &["list"]] {
        let ran = run(&redis.url(), pace, Duration::from_secs(120)).await;
        assert!(ran.code == Some(0) && ran.bytes > 100 * 64, "{ran:?}");
        assert!(ran.peak <= 64.0, "all of them are 100 MiB: {ran:?}");
    }
}
