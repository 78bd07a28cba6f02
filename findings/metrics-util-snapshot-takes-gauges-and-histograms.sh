#!/usr/bin/env bash
# Rust package metrics-util 0.20.4 (feature debugging) with metrics 0.24.6.
#
# Guess: Snapshotter::snapshot() looks at what was recorded, so that two snapshots in a row, with nothing
# recorded in between, say the same. A gauge above all: it is a level, not a count of what is new.
#
# Seen: a snapshot takes what it shows. The second one says that the counter and the gauge are 0 and that the
# histogram is empty, though nobody set the gauge to anything; an increment after it starts from 0. A test that
# takes a snapshot to wait for one metric therefore loses what it wants to assert about another.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "snapshots"
version = "0.0.0"
edition = "2024"
[dependencies]
metrics = "=0.24.6"
metrics-util = { version = "=0.20.4", default-features = false, features = ["debugging"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// The values of the gauge, the counter and the histogram.
fn values(snapshotter: &Snapshotter) -> (f64, u64, usize) {
    let mut values = (f64::NAN, u64::MAX, usize::MAX);
    for (_, _, _, value) in snapshotter.snapshot().into_vec() {
        match value {
            DebugValue::Gauge(gauge) => values.0 = gauge.into_inner(),
            DebugValue::Counter(counter) => values.1 = counter,
            DebugValue::Histogram(samples) => values.2 = samples.len(),
        }
    }
    values
}

fn main() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let seen = metrics::with_local_recorder(&recorder, || {
        metrics::gauge!("connections").set(7.0);
        metrics::counter!("requests").increment(3);
        metrics::histogram!("seconds").record(0.5);
        let (first, second) = (values(&snapshotter), values(&snapshotter));
        metrics::gauge!("connections").increment(1.0);
        (first, second, values(&snapshotter).0)
    });
    println!("gauge, counter, samples: first {:?}, then {:?}; the gauge, incremented: {}", seen.0, seen.1, seen.2);
    assert_eq!(seen, ((7.0, 3, 1), (0.0, 0, 0), 1.0), "this is not what was seen before");
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet --manifest-path "$folder/Cargo.toml"
