//! A record that a scan returns twice is counted once.

use std::time::{Duration, Instant};

use idempotent_servers::{Redis, Reply, Server, TcpProxy, require};
use serde_json::json;

use crate::run::{command, documents, read};
use crate::shop::quotes;
use crate::stores::{TestServer, TestStore};

/// The keys in the first places of Redis's table, as the command's first `SCAN` finds them.
async fn first_keys(redis: &Redis) -> Vec<String> {
    let Reply::Array(answer) = redis.cli(&["SCAN", "0", "COUNT", "10"]).await else {
        panic!("a cursor and keys");
    };
    answer[1].to_string().lines().map(str::to_owned).collect()
}

/// Deletes all keys but these, and waits until Redis has made its table smaller.
async fn shrink_to(redis: &Redis, keys: &[String]) {
    let script = "local kept = {} for _, key in ipairs(ARGV) do kept[key] = true end \
                  for _, key in ipairs(redis.call('KEYS', '*')) do \
                  if not kept[key] then redis.call('DEL', key) end end return redis.call('DBSIZE')";
    let keys_as_text: Vec<_> = keys.iter().map(String::as_str).collect();
    let left = redis.cli(&[&["EVAL", script, "0"], &keys_as_text[..]].concat()).await;
    assert_eq!(left, Reply::Int(i64::try_from(keys.len()).expect("few")));
    let begin = Instant::now();
    loop {
        let stats = redis.cli(&["MEMORY", "STATS"]).await.to_string();
        let mut lines = stats.lines().skip_while(|line| *line != "overhead.hashtable.main");
        let bytes: u64 = lines.nth(1).and_then(|bytes| bytes.parse().ok()).expect("a number");
        // With room for 2,048 keys, its pointers alone take more.
        if bytes < 8_000 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{bytes} bytes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn records_that_redis_returns_again_while_its_table_shrinks_are_counted_once() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    let TestServer::Redis(redis) = &store.server else { panic!("it is Redis") };
    quotes(&store.engine, 1_500).await;
    let keys = first_keys(redis).await;
    assert!(keys.len() >= 5, "{keys:?}");

    let proxy = TcpProxy::start(redis.address()).await;
    // Until this test has seen the first scan.
    proxy.delay_replies(Duration::from_secs(1));
    let mut stats = command(&["--json", "--timeout", "60s", "stats"]);
    let child = stats.env("IDEMPOTENT_STORE", proxy.redis_url()).spawn().expect("it starts");
    proxy.wait_for(|counts| counts.commands_of("SCAN") >= 1).await;
    proxy.stall_replies();
    proxy.delay_replies(Duration::ZERO);
    shrink_to(redis, &keys).await;
    proxy.resume();

    let ran = read(child.wait_with_output().await.expect("it ends"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let counted = &documents(&ran)[0]["records"];
    let scans = proxy.counts().commands_of("SCAN");
    assert_eq!(counted, &json!(keys.len()), "after {scans} scans");
}
