//! Ctrl-C: what runs ends between two records, and says how far it came.

use tokio::sync::watch;

use crate::failure::Failure;

/// How often somebody has pressed Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<u32>);

/// Counts, with one listener for all times: what comes between two would not be heard. Without a listener, Ctrl-C ends the
/// process, as it would have anyway.
#[cfg(unix)]
async fn count(pressed: watch::Sender<u32>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
    while interrupts.recv().await.is_some() {
        pressed.send_modify(|times| *times += 1);
    }
}

#[cfg(not(unix))]
async fn count(pressed: watch::Sender<u32>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        pressed.send_modify(|times| *times += 1);
    }
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (pressed, receiver) = watch::channel(0);
        tokio::spawn(count(pressed));
        Self(receiver)
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
