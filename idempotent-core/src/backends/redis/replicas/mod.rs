//! Reservations and completions that count only once replicas have them too.
//!
//! A server counts, by `WAIT`, the replicas that have what one connection wrote, and blocks that
//! connection meanwhile. So these writes do not use the shared connections: a [`node_writer`] has a
//! queue and one connection to each primary. Queued commands ([`queued_command`]) are sent as one
//! [`batch`] that ends with one `WAIT`, and while a batch waits, the next one fills. [`router`] knows
//! the writer of a key, [`slot_cache`] its primary, and [`replicated_writer`] is the way in.
//!
//! A batch follows no redirects and retries nothing: a redirect or a refusal is the answer to its own
//! command, and the [`replicated_writer`] sends that command again.

mod batch;
mod min_replicas;
mod node_writer;
mod queued_command;
mod replicated_writer;
mod router;
#[cfg(feature = "redis-cluster")]
mod slot_cache;

pub(super) use self::min_replicas::MinReplicas;
pub(super) use self::queued_command::NeedsReplicas;
pub(super) use self::replicated_writer::ReplicatedWriter;
