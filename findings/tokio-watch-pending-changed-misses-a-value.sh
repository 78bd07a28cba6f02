#!/usr/bin/env bash
# Rust package tokio 1.54.1.
#
# Guess: select! { biased; _ = changes.changed() => …, connection = listener.accept() => … } never takes the second branch
# once a new value can be seen, since changed() is polled first and looks at the version.
#
# Seen: changed() looks at the version when it is polled for the first time. A changed() that was pending waits for its own
# wake-up alone. send() makes the new value visible first and then wakes the receivers in turn, in eight groups; so whoever was
# woken first can act, and bring about what the second branch waits for, while changed() of another receiver is still pending.
# borrow() and has_changed() of that receiver say at the same moment that there is a new value. What a loop copied from the
# value before its select! is old then: the branch has to look again.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "pending"
version = "0.0.0"
edition = "2024"
[dependencies]
tokio = { version = "=1.54.1", features = ["sync"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::watch;

const RECEIVERS: usize = 64;

/// One that waits, and another handle of the same age to look at the value with.
struct Receiver {
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
    look: watch::Receiver<u32>,
}

impl Receiver {
    fn new(sender: &watch::Sender<u32>) -> Receiver {
        let mut changes = sender.subscribe();
        let look = changes.clone();
        Receiver { changed: Box::pin(async move { changes.changed().await.expect("there is a sender") }), look }
    }

    fn is_pending(&mut self) -> bool {
        matches!(self.changed.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    fn sees_the_new_value(&self) -> bool {
        self.look.has_changed().expect("there is a sender") && *self.look.borrow() == 1
    }
}

/// How many see the new value, and how many of them are pending, at the first wake-up.
struct Look {
    others: Mutex<Vec<Receiver>>,
    seen: Mutex<Option<(usize, usize)>>,
}

impl Wake for Look {
    fn wake(self: Arc<Look>) {
        let mut seen = self.seen.lock().expect("no panic");
        if seen.is_none() {
            let mut others = self.others.lock().expect("no panic");
            let mut informed: Vec<_> = others.iter_mut().filter(|it| it.sees_the_new_value()).collect();
            let pending = informed.iter_mut().filter_map(|it| it.is_pending().then_some(())).count();
            *seen = Some((informed.len(), pending));
        }
    }
}

fn main() {
    let sender = watch::Sender::new(0);
    let mut others: Vec<_> = (0..RECEIVERS).map(|_| Receiver::new(&sender)).collect();
    assert!(others.iter_mut().all(Receiver::is_pending));
    let look = Arc::new(Look { others: Mutex::new(others), seen: Mutex::new(None) });
    // Enough of them that some are in the group that is woken first.
    let waker = Waker::from(Arc::clone(&look));
    let mut first: Vec<_> = (0..RECEIVERS).map(|_| Receiver::new(&sender)).collect();
    for receiver in &mut first {
        assert!(receiver.changed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    sender.send(1).expect("there are receivers");

    let (informed, pending) = look.seen.lock().expect("no panic").expect("somebody was woken");
    println!("at the first wake-up {informed} of {RECEIVERS} other receivers see the new value, and changed() of {pending} is pending");
    assert_eq!(informed, RECEIVERS);
    assert!(pending > 0, "tokio has changed: a pending changed() looks at the version");
    println!("so a loop that polls changed() first can take another branch, with what it copied before");
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml"
