//! How often a request was sent, and with which key.

use reqwest::Response;
use reqwest::header::HeaderValue;

/// How often a request was sent, and with which key. It is in the extensions of every response to a
/// request that the middleware retries.
///
/// ```no_run
/// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) -> Result<(), reqwest_middleware::Error> {
/// use idempotent_core::client::RetryInfo;
///
/// let response = client.post("https://pay.example/charges").send().await?;
/// if response.status().is_server_error() {
///     // The outcome is unknown. Use the same key to try again later.
///     if let Some(info) = RetryInfo::of(&response) {
///         println!("sent {} times with {:?}", info.attempts(), info.key());
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RetryInfo {
    pub(super) attempts: u32,
    pub(super) key: Option<HeaderValue>,
}

impl RetryInfo {
    /// The info about the request of this response.
    #[must_use]
    pub fn of(response: &Response) -> Option<&Self> {
        response.extensions().get()
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The value of the key header, the same in each attempt; `None` if there was no key. `Debug` does
    /// not show it.
    #[must_use]
    pub fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }
}
