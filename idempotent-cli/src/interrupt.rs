//! Ctrl-C: what runs ends between two records, and says how far it came.

use tokio::sync::watch;

use crate::failure::Failure;

/// Whether somebody has pressed Ctrl-C.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (pressed, receiver) = watch::channel(false);
        tokio::spawn(async move {
            // Without a handler, Ctrl-C ends the process, as it would have anyway.
            while tokio::signal::ctrl_c().await.is_ok() {
                pressed.send_replace(true);
            }
        });
        Self(receiver)
    }

    /// Whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        *self.0.borrow()
    }

    /// Runs a future to its end, unless it is pressed before.
    pub(crate) async fn unless_pressed<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut pressed = self.0.clone();
        let interrupted = async move {
            if pressed.wait_for(|pressed| *pressed).await.is_err() {
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
