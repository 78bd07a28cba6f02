//! [`Operation`]: the policy of an idempotent function, without a key.

use std::panic::Location;
use std::time::Duration;

use super::Guarantee;

/// The policy of an idempotent function. A key turns it into a call.
///
/// The attribute creates one for each call. Without the attribute, an operation is usually a
/// constant:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use std::time::Duration;
/// use idempotent_core::{Error, Operation};
///
/// const CHARGE: Operation = Operation::new("shop::charge").ttl(Duration::from_secs(3600));
///
/// let order = 42;
/// let call = CHARGE.key(&("order:", order)).returning::<Result<String, Error>>();
/// let receipt = call.run(|| async { Ok("receipt 1".to_owned()) }).await?;
/// assert_eq!(receipt, "receipt 1");
/// # Ok(()) }
/// ```
///
/// Options that are not set here use the engine's defaults.
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it has a key and runs"]
pub struct Operation {
    pub(crate) name: &'static str,
    pub(crate) named: bool,
    pub(crate) site: &'static Location<'static>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) max_run: Option<Duration>,
    pub(crate) wait: Option<Duration>,
    pub(crate) guarantee: Guarantee,
    pub(crate) version: u32,
    pub(crate) accept: (u32, u32),
}

impl Operation {
    /// Creates an operation with an explicit name, which is part of every record's identity.
    ///
    /// A name has 1 to 128 bytes and contains no braces, whitespace or control characters. A call
    /// of an operation with an invalid name is refused with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Type parameters are not part of the
    /// identity: put whatever they select into the key.
    #[track_caller]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            named: true,
            site: Location::caller(),
            ttl: None,
            lease: None,
            max_run: None,
            wait: None,
            guarantee: Guarantee::AtLeastOnce,
            version: 0,
            accept: (0, 0),
        }
    }

    /// Creates an operation that is named after its function's path, as the attribute does without
    /// `name = …`.
    ///
    /// Such a name changes when the function moves, so engines with
    /// [`strict_names`](crate::IdempotencyBuilder::strict_names) refuse it.
    #[track_caller]
    pub const fn from_path(path: &'static str) -> Self {
        let mut operation = Self::new(path);
        operation.named = false;
        operation
    }

    /// How long a result is kept and replayed. Default: 24 hours.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a reservation outlives a dead owner. The lease is renewed while the body runs.
    /// Default: 30 seconds, or the `ttl` if that is shorter.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How long the lease of a running body is renewed, so that a hung body does not hold its key
    /// forever. Default: 1 hour.
    pub const fn max_run(mut self, max_run: Duration) -> Self {
        self.max_run = Some(max_run);
        self
    }

    /// How long a duplicate of a running call waits for its result. Default: it does not wait, and
    /// is refused at once with [`InProgress`](crate::ErrorKind::InProgress).
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// What happens when a reservation lapses. Default: [`Guarantee::AtLeastOnce`].
    pub const fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// The version of the result's schema. The operation reads only this version, unless
    /// [`accept`](Self::accept) adds others. Default: 0.
    ///
    /// A record of another version is never decoded and never causes a second run: the call is
    /// refused with [`Incompatible`](crate::ErrorKind::Incompatible).
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self.accept = (version, version);
        self
    }

    /// The versions that this operation reads, from the oldest to the newest, both included. Call
    /// it after [`version`](Self::version), which resets it.
    pub const fn accept(mut self, oldest: u32, newest: u32) -> Self {
        self.accept = (oldest, newest);
        self
    }
}
