//! [`Frozen`]: time that stands still until a test moves it, also while a server is waited for.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, advance, pause};

use crate::effects::{millis, secs};

/// So that a test which waits for time fails, and does not hang.
const AT_MOST: Duration = secs(120);

/// The time of a runtime with one thread.
pub(crate) struct Frozen {
    at: Instant,
    /// Time does not move by itself while a blocking thread runs, and this one does until here is dropped.
    _keeper: mpsc::Sender<()>,
}

impl Frozen {
    pub(crate) fn start() -> Self {
        let (keeper, dropped) = mpsc::channel::<()>();
        spawn_blocking(move || dropped.recv_timeout(AT_MOST));
        pause();
        Self { at: Instant::now(), _keeper: keeper }
    }

    /// Moves time for as long as this takes.
    pub(crate) async fn thaw_for<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let moving = async {
            loop {
                let _ = spawn_blocking(|| std::thread::sleep(millis(20))).await;
                advance(millis(100)).await;
            }
        };
        let ended = tokio::select! {
            ended = waiting => ended,
            () = moving => unreachable!("it never ends"),
        };
        self.at = Instant::now();
        ended
    }

    /// Moves time once.
    pub(crate) async fn pass(&mut self, by: Duration) {
        advance(by).await;
        self.at = Instant::now();
    }

    /// Fails if time has moved by itself: something has waited for it.
    pub(crate) fn has_stood_still(&self) {
        assert_eq!(Instant::now(), self.at, "time was waited for");
    }
}
