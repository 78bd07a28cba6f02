//! The client side of idempotency: requests that carry a key and are retried correctly.
//!
//! [`IdempotentRetry`] is a middleware for [`reqwest_middleware`]. It adds an `Idempotency-Key` to each
//! `POST` and `PATCH`, keeps it through retries and redirects, and sends the request again until it has
//! a final response or attempts or time run out:
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
//! Add it before other middlewares. Those that come after it run for every attempt, which is right for
//! signing and tracing.
//!
//! # Which key
//!
//! A request that already has the header keeps it. Otherwise the key depends on where it is sent:
//!
//! * Inside an idempotent call it is *derived* from that call, so that a call which crashed and runs
//!   again sends the same keys: see [`CurrentCall::derive_next`](crate::engine::CurrentCall::derive_next).
//!   Its label consists of [`IdempotentRetry::label`], the method, and the URL without its query. If a
//!   call sends several requests with the same label, the first, the second and so on have different
//!   keys. If the order of the requests may change when the body runs again, or if the body repeats a
//!   request itself, name them with [`KeyLabel`].
//! * Anywhere else it is a random UUID of version 4. To be able to try again tomorrow, generate a key
//!   yourself and set the header.
//!
//! The request body is not part of a derived key. If it changes between two runs, the server sees the
//! same key with another payload and refuses it (422). Another key would cause a second effect.
//!
//! Keys are sent as an RFC 8941 String (`"8e03978e-…"`), as the IETF draft requires, or
//! [bare](IdempotentRetry::bare_keys) for services that expect them so.
//!
//! # What is retried
//!
//! Requests with a key, and requests whose method is idempotent by HTTP (GET, HEAD, PUT, DELETE and
//! OPTIONS). All others pass through untouched.
//!
//! | outcome | retried |
//! |---|---|
//! | no connection, a broken connection, a timeout | yes |
//! | a host whose name does not resolve | once; a lookup that failed for the time being like any connection |
//! | a certificate or another part of TLS that is refused, on either side | no |
//! | a proxy that refuses the credentials, an `https` URL without a TLS feature, a request that cannot be sent | no |
//! | 408, 425, 429, 500, 502, 503, 504 | yes |
//! | 409 with a key | yes: the first request with this key is still running |
//! | 409 without a key | no: it is a conflict with the state of the resource |
//! | 400, 410, 422, 423 | never, whatever the settings |
//! | a response with `Idempotency-Replayed: true`, or Stripe's `Idempotent-Replayed` | no: it is the recorded response and will not change |
//! | any other response | no |
//!
//! A problem document (RFC 9457) can only prevent retries: one with `"retryable": false` does, and so
//! does a 409 whose `code` is not `in_progress`, `held` or `owner_failed`. If a service sends a bare 409 for its own conflicts,
//! remove 409 from [`retry_statuses`](IdempotentRetry::retry_statuses); otherwise each of them uses up
//! the whole budget.
//!
//! A streaming body cannot be sent twice. Such a request gets its key, is sent once, and its outcome is
//! returned whatever it is.
//!
//! # Pauses and limits
//!
//! Before the nth retry the client pauses for a random time between zero and `first_pause` × 2ⁿ⁻¹, at
//! most `max_pause` (exponential backoff with full jitter). If the response has a `Retry-After`, in
//! seconds or as a date, the pause is added to it: no client retries earlier than asked, and clients that
//! were turned away together do not return together. A date is compared with the `Date` of the response,
//! if there is one.
//!
//! If the server asks for more than [`max_retry_after`](IdempotentRetry::max_retry_after), the client does
//! not return early, but gives up at once: with [`GaveUp`], whose reason is
//! [`GaveUpReason::RetryAfter`], and which has the time that the server asked for and the response.
//!
//! The client gives up after [`max_attempts`](IdempotentRetry::max_attempts) or
//! [`total_timeout`](IdempotentRetry::total_timeout), whichever comes first. It does not begin a pause
//! that would end after the total timeout. **The caller then gets the outcome of the last attempt**: its
//! response, for instance a 503, or [`GaveUp`] with the last error as its source. Either way the outcome
//! of the request is unknown. Try again later with the same key, which is in [`RetryInfo`] or
//! [`GaveUp::key`].
//!
//! A failure that no retry helps is returned as it is, since nothing has happened: [`GaveUp`] is then only
//! the error if an earlier attempt may have reached the server.
//!
//! # Responses that are cut off
//!
//! If a request has a key and its response has a `Content-Length` of at most
//! [`max_buffered_bytes`](IdempotentRetry::max_buffered_bytes), the response is read into memory before
//! it is returned. A connection that breaks meanwhile is then a failed attempt like any other. Larger
//! responses and streams are returned as soon as their head is there.
//!
//! # Redirects
//!
//! `reqwest` follows redirects within one attempt. 307 and 308 repeat the request with its key, even to
//! another origin: `reqwest` removes only credentials and cookies. 303 (and 301 and 302, for a `POST`)
//! fetch the response with a `GET`. A retry starts at the first URL again.
//!
//! # Logging
//!
//! Each request has a `tracing` span `idempotent_request`, which is open from its first attempt to its outcome, with
//! the fields `method`, `host`, `key_hash`, `attempt` (the last one), `status` and `outcome`: `answered`, `failed`,
//! `gave_up` or `dropped`. Each retry is an event at `INFO` within it, with method, host, hash of the key, attempt,
//! reason and pause. Giving up is an event at `WARN`. Path, query, key and body are never logged.
//!
//! The hash of a key is the first 16 hexadecimal digits of its BLAKE3 hash, without quotes:
//! `printf %s "$key" | b3sum --length 8`. It finds the lines of one request in a log whose readers must not
//! learn keys. Who can guess a key can compute its hash, so keys of your own should be hard to guess.
//!
//! With feature `metrics`, `idempotent_client_requests_total` counts requests by `outcome`, and
//! `idempotent_client_retries_total` the retries.

mod budget;
mod buffered_response;
mod clock;
mod connect_failure;
mod gave_up;
mod idempotent_retry;
mod key_hash;
mod key_label;
mod middleware;
mod request_key;
mod retry_after;
mod retry_decision;
mod retry_info;
mod telemetry;

pub use self::clock::Clock;
pub use self::gave_up::{AttemptTimedOut, GaveUp, GaveUpReason};
pub use self::idempotent_retry::IdempotentRetry;
pub use self::key_label::KeyLabel;
pub use self::retry_info::RetryInfo;
