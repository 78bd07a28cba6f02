//! The client's side of idempotency: requests that carry a key and are retried correctly.
//!
//! [`IdempotentRetry`] is a middleware for [`reqwest_middleware`]. It gives each `POST` and `PATCH`
//! an `Idempotency-Key`, keeps it over retries and redirects, and sends the request again until it
//! has a final answer or its budget is used up:
//!
//! ```no_run
//! # async fn pay() -> Result<(), reqwest_middleware::Error> {
//! use idempotent_core::client::IdempotentRetry;
//! use reqwest_middleware::ClientBuilder;
//!
//! let client = ClientBuilder::new(reqwest::Client::new()).with(IdempotentRetry::new()).build();
//! let receipt = client.post("https://pay.example/charges").body("19.90").send().await?;
//! # Ok(()) }
//! ```
//!
//! Put it first: middlewares that come after it run for every attempt, which is right for signing
//! and tracing.
//!
//! # Which key
//!
//! A request that carries the header already keeps it. Otherwise the key is
//!
//! * within an idempotent call, *derived* from that call, so that a call which crashed and runs
//!   again sends the same keys: see [`Current::derive_next`](crate::Current::derive_next). The label
//!   is made of [`IdempotentRetry::label`], the method and the URL without its query, and the first,
//!   second and third request of a call with one such label have keys of their own. A body whose
//!   requests come in another order when it runs again, or that repeats a request itself, names them
//!   by [`KeyLabel`];
//! * elsewhere a fresh UUID of version 4. Whoever wants to try again tomorrow makes a key and sends
//!   it as a header.
//!
//! The body is no part of a derived key: should it change between two runs, the server sees one key
//! with two payloads and refuses (422), where another key would be a second effect.
//!
//! Keys are sent as the IETF draft asks, as an RFC 8941 String (`"8e03978e-…"`), or bare for services
//! that want them so.
//!
//! # What is retried
//!
//! Requests that carry a key, and requests whose method is idempotent by HTTP (GET, HEAD, PUT, DELETE
//! and OPTIONS). Others are passed through untouched.
//!
//! | outcome | retried |
//! |---|---|
//! | no connection, a connection that breaks, a timeout | yes |
//! | 408, 425, 429, 500, 502, 503, 504 | yes |
//! | 409 under a key | yes: it means that the first request with this key is running |
//! | 409 without a key | no: it is a conflict with the resource's state |
//! | 400, 410, 422, 423 | never, whatever is set |
//! | an answer with `Idempotency-Replayed: true`, or Stripe's `Idempotent-Replayed` | no: it is the recorded end, and will not change |
//! | any other answer | no |
//!
//! A problem body (RFC 9457) can only say no: one with `"retryable": false` ends the retries, and so
//! does, under 409, one whose `code` is another than `in_progress`. A service that answers its own
//! conflicts with a bare 409 costs its clients their whole budget: leave 409 out of
//! [`retry_statuses`](IdempotentRetry::retry_statuses) for it.
//!
//! A body that is a stream cannot be sent twice. Such a request gets its key, is sent once, and its
//! outcome is handed on, whatever it is.
//!
//! # How long
//!
//! Before the nth retry it pauses for a random time between zero and `first_pause` × 2ⁿ⁻¹, at most
//! `longest_pause` (exponential backoff with full jitter). Where the answer has a `Retry-After`, in
//! seconds or as a date, the pause comes on top of it: nobody is asked earlier than it said, and
//! clients that were sent away together do not come back together. A date is read by the server's
//! own clock, if the answer has a `Date`.
//!
//! It ends with [`attempts`](IdempotentRetry::attempts) or
//! [`total_time`](IdempotentRetry::total_time), whichever is used up first. A pause that would end
//! after the total time is not begun. **What the last attempt gave is what the caller gets**: its
//! answer, a 503 for instance, as it is; or [`GaveUp`], with the last error as its source. Either way
//! the outcome is not known, and the key, from [`Sent::of`] or [`GaveUp::key`], is what to ask again
//! with.
//!
//! # Answers that are cut off
//!
//! An answer to a request with a key that states its length, of at most
//! [`whole_answers`](IdempotentRetry::whole_answers) bytes, is read whole before it is handed on, so
//! that a connection which breaks within it is a failed attempt like any other. Larger answers and
//! streams are handed on with their head.
//!
//! # Redirects
//!
//! `reqwest` follows them within one attempt. 307 and 308 repeat the request with its key, also to
//! another origin: `reqwest` strips only credentials and cookies there. 303 (and 301 and 302, for a
//! `POST`) ask for the answer with a `GET`. A retry starts at the first URL again.
//!
//! # Seen from outside
//!
//! Each retry is a `tracing` event at `INFO` with method, host, attempt, reason and pause; each end of
//! a budget one at `WARN`. Neither path, query, key nor body is logged.

mod answer;
mod budget;
mod error;
mod key;
mod middleware;
mod retry_after;
mod sent;
mod settings;
mod timer;
mod verdict;

pub use self::error::{AttemptTimedOut, GaveUp, GaveUpReason};
pub use self::key::KeyLabel;
pub use self::sent::Sent;
pub use self::settings::IdempotentRetry;
pub use self::timer::Timer;
