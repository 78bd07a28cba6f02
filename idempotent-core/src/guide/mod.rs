//! The guide: one question a page, every example compiled.
//!
//! | you ask | page |
//! |---|---|
//! | Where do the records live? | [`choosing_a_store`] |
//! | What makes two calls the same call? | [`keys_and_scopes`] |
//! | What happens after a crash, and what do I do with an error? | [`guarantees_and_errors`] |
//! | Which results can be replayed? | [`results`] |
//! | How do I guard an HTTP service? | [`http_service`] |
//! | Who sends a request twice, and what do I set? | [`who_sends_a_post_twice`] |
//! | How do I get exactly one effect in my database? | [`transactions_and_outbox`] |
//! | How do I make a call of several effects finish, and repeat none? | [`calls_of_several_effects`] |
//! | How does a message of a broker take effect once? | [`consumers`] |
//! | How do I test my handlers? | [`testing`] |
//! | What do I watch and set in production? | [`production`] |
//! | Nobody knows what a call did. How does it end? | [`when_a_call_is_in_doubt`] |
//! | An alert fires. What do I do? | [`runbook`], and for messages [`runbook_of_messages`] |
//! | I have a `SET NX` already. How do I move? | [`moving_from_set_nx`] |
//! | How do I move from one store to another, while calls go on? | [`moving_to_another_store`] |
//!
//! If you are new, read the first three in order. They take ten minutes.

#[doc = include_str!("choosing_a_store.md")]
pub mod choosing_a_store {}

#[doc = include_str!("keys_and_scopes.md")]
pub mod keys_and_scopes {}

#[doc = include_str!("guarantees_and_errors.md")]
pub mod guarantees_and_errors {}

#[doc = include_str!("results.md")]
pub mod results {}

#[doc = include_str!("http_service.md")]
pub mod http_service {}

#[doc = include_str!("who_sends_a_post_twice.md")]
pub mod who_sends_a_post_twice {}

#[doc = include_str!("transactions_and_outbox.md")]
pub mod transactions_and_outbox {}

#[doc = include_str!("calls_of_several_effects.md")]
pub mod calls_of_several_effects {}

#[doc = include_str!("consumers.md")]
pub mod consumers {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("production.md")]
pub mod production {}

#[doc = include_str!("when_a_call_is_in_doubt.md")]
pub mod when_a_call_is_in_doubt {}

#[doc = include_str!("runbook.md")]
pub mod runbook {}

#[doc = include_str!("runbook_of_messages.md")]
pub mod runbook_of_messages {}

#[doc = include_str!("moving_from_set_nx.md")]
pub mod moving_from_set_nx {}

#[doc = include_str!("moving_to_another_store.md")]
pub mod moving_to_another_store {}
