//! An [`Operation`]: the policy of one idempotent function, without a key.

mod call;
#[cfg(not(all(feature = "axum", feature = "tonic")))]
mod lacking;
mod ongoing;
mod outcome;
mod policy;
mod reservation;
mod returned;
mod run;
mod run_in;

use std::panic::Location;
use std::time::Duration;

pub use self::call::{Call, CallBuilder};
#[cfg(not(feature = "axum"))]
pub use self::lacking::Response;
pub use self::outcome::Ended;
pub use self::reservation::{Reservation, Started};
pub use self::returned::{Encoded, FromError, Returned, Stored, Undecodable};
pub use self::run::Run;
pub use self::run_in::CallWithin;
use crate::key::Key;
use crate::record::Guarantee;

/// The policy of one idempotent operation; a key makes a call of it.
///
/// The attribute makes one for each call. Without the attribute it is usually a constant:
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
/// Options that are not set here take the engine's defaults.
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
    /// An operation with a name of its own, which is part of every record's identity.
    ///
    /// A name has 1 to 128 bytes and no braces, spaces or control characters; a call of an
    /// operation with another one is refused as
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Type parameters are not part of the
    /// identity: put what they choose into the key.
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

    /// An operation named after where it stands, as the attribute does without `name = …`.
    ///
    /// Such a name changes when the function moves, so engines with
    /// [`strict_names`](crate::Builder::strict_names) refuse it.
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

    /// How long a reservation outlives a dead owner. It is renewed while the body runs. Default:
    /// 30 seconds.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// After how long a running body's lease is no longer renewed, so that a hung one does not hold
    /// its key for ever. Default: 1 hour.
    pub const fn max_run(mut self, max_run: Duration) -> Self {
        self.max_run = Some(max_run);
        self
    }

    /// How long a duplicate of a running call waits for its result. Without it, a duplicate is
    /// refused at once with [`InProgress`](crate::ErrorKind::InProgress).
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// What the lapse of a reservation means. Default: [`Guarantee::AtLeastOnce`].
    pub const fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// The version of the result's schema, and the only one it reads unless
    /// [`accept`](Self::accept) says more. Default: 0.
    ///
    /// A record of another version is never decoded and never causes a second run: it is
    /// [`Incompatible`](crate::ErrorKind::Incompatible).
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self.accept = (version, version);
        self
    }

    /// The versions whose records this operation reads, from the oldest to the newest. Call it
    /// after [`version`](Self::version).
    pub const fn accept(mut self, oldest: u32, newest: u32) -> Self {
        self.accept = (oldest, newest);
        self
    }

    /// A call of this operation with a key.
    ///
    /// The key is read here and now, so nothing of it is borrowed afterwards.
    pub fn key<K: Key + ?Sized>(self, key: &K) -> CallBuilder {
        CallBuilder::new(self, key)
    }
}
