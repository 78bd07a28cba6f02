//! What became known of a request on its way to its answer.

use reqwest::Response;
use reqwest::header::HeaderValue;

/// How an answer was come by: in the extensions of every answer to a request that was retried, or
/// would have been.
///
/// ```no_run
/// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) -> Result<(), reqwest_middleware::Error> {
/// use idempotent_core::client::Sent;
///
/// let answer = client.post("https://pay.example/charges").send().await?;
/// if let Some(sent) = Sent::of(&answer).filter(|_| answer.status().is_server_error()) {
///     // The outcome is not known. Whoever asks again does so with this key.
///     println!("asked {} times", sent.attempts());
///     let _ask_again_with = sent.key();
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sent {
    pub(super) attempts: u32,
    pub(super) key: Option<HeaderValue>,
}

impl Sent {
    /// How this answer was come by.
    #[must_use]
    pub fn of(answer: &Response) -> Option<&Self> {
        answer.extensions().get()
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The header's value that it carried each time, if it had a key. `Debug` does not show it.
    #[must_use]
    pub fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }
}
