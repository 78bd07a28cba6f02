//! The steps of a call, as its journal keeps them.
//!
//! `id` is a step's identity, `entry` what a journal says of one step, `resolved` what somebody says of it who is not its
//! owner, and `status` how far the step has come. The bytes of an entry are described in `layout`.

mod entry;
mod id;
mod layout;
mod resolved;
mod status;

pub use self::entry::StepEntry;
pub(crate) use self::entry::StepHead;
pub use self::id::StepId;
pub use self::status::StepStatus;
