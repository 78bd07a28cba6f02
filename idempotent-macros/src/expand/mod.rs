//! From a plan to tokens. Nothing can fail here any more.
//!
//! ```text
//! // Input:
//! #[idempotent(key = order.id, ttl = "24h", name = "charge")]
//! async fn charge(order: Order) -> Result<Receipt, ChargeError> {
//!     gateway::charge(order.card, order.amount).await
//! }
//!
//! // Output:
//! async fn charge(order: Order) -> Result<Receipt, ChargeError> {
//!     let call = ::idempotent_core::Operation::new("charge")
//!         .ttl(::core::time::Duration::from_secs(86400))
//!         .key(&order.id)
//!         .returning::<Result<Receipt, ChargeError>>()
//!         .comparing(|results| results.compare_ok());
//!     call.run(move || async move {
//!         if false {
//!             return ::idempotent_core::__output::<Result<Receipt, ChargeError>>();
//!         }
//!         gateway::charge(order.card, order.amount).await
//!     })
//!     .await
//! }
//! ```

mod call;
mod function;
mod key;
mod rewrite;
mod run;
mod span;

#[cfg(test)]
mod golden;

pub(crate) use self::function::expand;
