//! [`ParkedMessage`]: what a consumer has put aside.

use crate::consumer::{Message, ParkReason};

/// A message that a consumer has parked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParkedMessage {
    /// The message.
    pub message: Message,
    /// Why it was parked.
    pub reason: ParkReason,
    /// What went wrong.
    pub error: String,
    /// How often the handler ran.
    pub attempts: u32,
}
