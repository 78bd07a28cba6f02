//! Modules and types behind a feature are named by the compiler itself.
//@ no `RedisStore` in `backends`
//@ the item is gated behind the `redis` feature
//@ could not find `http` in `idempotent_core`
//@ the item is gated behind the `http` feature
//@ could not find `outbox` in `idempotent_core`
//@ the item is gated behind the `postgres` feature

use idempotent_core::backends::RedisStore;
use idempotent_core::http::IdempotencyKey;
use idempotent_core::outbox::Relay;

fn main() {}
