//! Ctrl-C: what runs ends between two records, and says how far it came.

use tokio::sync::watch;

use crate::failure::Failure;

/// How often somebody has pressed Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<u32>);

/// Counts, with one listener for all times: what comes between two would not be heard. Without a listener, Ctrl-C ends the
/// process, as it would have anyway.
#[cfg(unix)]
fn count(pressed: watch::Sender<u32>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
    tokio::spawn(async move {
        while interrupts.recv().await.is_some() {
            pressed.send_modify(|times| *times += 1);
        }
    });
}

#[cfg(not(unix))]
fn count(pressed: watch::Sender<u32>) {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            pressed.send_modify(|times| *times += 1);
        }
    });
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (pressed, receiver) = watch::channel(0);
        count(pressed);
        Self(receiver)
    }

    /// One that a test presses.
    #[cfg(test)]
    pub(crate) const fn of(presses: watch::Receiver<u32>) -> Self {
        Self(presses)
    }

    /// Whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Runs a future to its end, unless it is pressed before.
    pub(crate) async fn unless_pressed<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.unless_pressed_times(1, future).await
    }

    /// Runs a future to its end that should not be left half done, unless it is pressed twice before.
    pub(crate) async fn unless_pressed_again<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.unless_pressed_times(2, future).await
    }

    async fn unless_pressed_times<T>(
        &self,
        times: u32,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut pressed = self.0.clone();
        let interrupted = async move {
            if pressed.wait_for(|pressed| *pressed >= times).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = interrupted => Err(Failure::interrupted()),
            value = future => Ok(value),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// Presses Ctrl-C, and waits until that is known.
    async fn press(interrupt: &Interrupt, times: u32) {
        kill_process(getpid(), Signal::INT).expect("this process runs");
        let start = Instant::now();
        while *interrupt.0.borrow() < times {
            assert!(start.elapsed() < Duration::from_secs(30), "nobody hears it");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn what_is_pressed_while_nobody_waits_ends_what_begins_next() {
        let interrupt = Interrupt::listen();
        assert_eq!(interrupt.unless_pressed(async { 7 }).await.expect("it runs"), 7);
        press(&interrupt, 1).await;
        assert!(interrupt.is_pressed());
        let ended = interrupt.unless_pressed(async { 7 }).await.expect_err("it is interrupted");
        assert_eq!(ended.exit(), crate::failure::Exit::Interrupted);
        let again = interrupt.unless_pressed_again(async { 7 }).await;
        assert_eq!(again.expect("once is not twice"), 7);
        press(&interrupt, 2).await;
        interrupt.unless_pressed_again(async { 7 }).await.expect_err("it is interrupted");
    }
}
