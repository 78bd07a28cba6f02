#!/usr/bin/env bash
# Rust package rdkafka 0.39.0 with its own librdkafka 2.12.1, and the mock cluster of the latter.
#
# Guess: ConsumerContext::commit_callback is told what became of a commit with CommitMode::Async, as its documentation has
# no other purpose for it: a consumer that counts failed commits, or retries them, overrides it and goes on polling.
#
# Seen: it is never called. The commit is sent, and takes effect or is refused by the coordinator, and while the consumer is
# polled for five seconds nobody is told of either. (The library hands the event to the client only if the client set
# offset_commit_cb, which this one does not.) With CommitMode::Sync the refusal is the error of the call, so whoever wants to
# know commits in a thread of its own.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "commits"
version = "0.0.0"
edition = "2024"
[dependencies]
rdkafka = { version = "=0.39.0", default-features = false, features = ["libz", "tokio"] }
rdkafka-sys = "=4.10.0"
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

#[derive(Clone, Default)]
struct Told(Arc<AtomicUsize>);

impl ClientContext for Told {}

impl ConsumerContext for Told {
    fn commit_callback(&self, _: KafkaResult<()>, _: &TopicPartitionList) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn at(offset: i64) -> Result<TopicPartitionList, Box<dyn Error>> {
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset("orders", 0, Offset::Offset(offset))?;
    Ok(partitions)
}

fn poll_for(consumer: &BaseConsumer<Told>, limit: Duration) {
    let start = Instant::now();
    while start.elapsed() < limit {
        consumer.poll(Duration::from_millis(100));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("orders", 1, 1)?;
    let servers = cluster.bootstrap_servers();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create()?;
    for _ in 0..3 {
        producer.send(BaseRecord::to("orders").key("key").payload("order")).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;

    let told = Told::default();
    let consumer: BaseConsumer<Told> = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("group.id", "shop")
        .set("enable.auto.commit", "false")
        .create_with_context(told.clone())?;
    consumer.assign(&at(0)?)?;
    while consumer.poll(Duration::from_millis(100)).is_none() {}

    consumer.commit(&at(1)?, CommitMode::Async)?;
    poll_for(&consumer, Duration::from_secs(5));
    let committed = consumer.committed_offsets(at(0)?, Duration::from_secs(30))?;
    println!("an asynchronous commit: {:?} is committed, told {} times", committed.elements()[0].offset(), told.0.load(Ordering::SeqCst));

    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal]);
    consumer.commit(&at(2)?, CommitMode::Async)?;
    poll_for(&consumer, Duration::from_secs(5));
    let committed = consumer.committed_offsets(at(0)?, Duration::from_secs(30))?;
    println!("one that is refused: {:?} is committed, told {} times", committed.elements()[0].offset(), told.0.load(Ordering::SeqCst));

    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal]);
    let refused = consumer.commit(&at(2)?, CommitMode::Sync);
    println!("a synchronous commit that is refused is an error: {}", refused.is_err());
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo build --quiet --manifest-path "$folder/Cargo.toml"
"$folder/target/debug/commits" >"$folder/seen" 2>"$folder/log"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
an asynchronous commit: Offset(1) is committed, told 0 times
one that is refused: Offset(1) is committed, told 0 times
a synchronous commit that is refused is an error: true
SEEN
