//! The label of a derived key.

/// Names one request of an idempotent call, so that its key does not depend on the requests that the
/// call sent before. The key is [`CurrentCall::derive`](crate::engine::CurrentCall::derive) of this
/// label.
///
/// ```no_run
/// # async fn ship(client: reqwest_middleware::ClientWithMiddleware, parcels: Vec<u32>) -> Result<(), reqwest_middleware::Error> {
/// use idempotent_core::client::KeyLabel;
///
/// for parcel in parcels {
///     let label = KeyLabel::new(format!("parcel {parcel}"));
///     client.post("https://ship.example/parcels").with_extension(label).send().await?;
/// }
/// # Ok(()) }
/// ```
///
/// Two requests with the same label have the same key. Outside of an idempotent call, the label has no
/// effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLabel(pub(super) String);

impl KeyLabel {
    /// Makes a label. It must be unique within its call, and the same when the call runs again.
    pub fn new(label: impl Into<String>) -> Self {
        Self(label.into())
    }
}
