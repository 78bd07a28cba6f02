//! [`InboxHandler`]: the async functions that handle messages within a transaction.

use std::error::Error as StdError;
use std::future::Future;

use sqlx::Database;

use super::lent::InboxTransaction;
use crate::call::Memoizable;
use crate::consumer::{FromMessage, Message};

/// An async function that handles messages within a transaction: of what is [made of a message](FromMessage), the
/// [`InboxTransaction`], and optionally the [`Message`] itself. What it returns is as for a
/// [`Handler`](crate::consumer::Handler).
#[diagnostic::on_unimplemented(
    message = "this is no handler of messages within a transaction",
    label = "must be an async function of a payload and the transaction, and optionally the `Message`, that returns `Result`",
    note = "for example `|order: Json<Order>, mut tx: InboxTransaction<Postgres>| async move {{ Ok::<(), sqlx::Error>(()) }}`",
    note = "its future must be `Send`, the first argument `FromMessage`, and the `Ok` type `Serialize` and `DeserializeOwned`"
)]
pub trait InboxHandler<DB: Database, Arguments>: Send + Sync + 'static {
    /// What the function takes first.
    type Input: Send + 'static;
    /// What is kept.
    type Ok: Memoizable + Send + Sync + 'static;
    /// What the function fails with.
    type Err: Into<Box<dyn StdError + Send + Sync>> + Send + 'static;

    /// Decodes the message.
    #[doc(hidden)]
    fn decode(message: &Message) -> Result<Self::Input, String>;

    /// Calls the function.
    #[doc(hidden)]
    fn call(
        &self,
        input: Self::Input,
        tx: InboxTransaction<DB>,
        message: &Message,
    ) -> impl Future<Output = Result<Self::Ok, Self::Err>> + Send + 'static;
}

#[diagnostic::do_not_recommend]
impl<DB, F, I, Fut, T, E> InboxHandler<DB, (I,)> for F
where
    DB: Database,
    F: Fn(I, InboxTransaction<DB>) -> Fut + Send + Sync + 'static,
    I: FromMessage,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Memoizable + Send + Sync + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    type Input = I;
    type Ok = T;
    type Err = E;

    fn decode(message: &Message) -> Result<I, String> {
        I::from_message(message).map_err(|error| error.to_string())
    }

    fn call(
        &self,
        input: I,
        tx: InboxTransaction<DB>,
        _: &Message,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(input, tx)
    }
}

#[diagnostic::do_not_recommend]
impl<DB, F, I, Fut, T, E> InboxHandler<DB, (I, Message)> for F
where
    DB: Database,
    F: Fn(I, InboxTransaction<DB>, Message) -> Fut + Send + Sync + 'static,
    I: FromMessage,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Memoizable + Send + Sync + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    type Input = I;
    type Ok = T;
    type Err = E;

    fn decode(message: &Message) -> Result<I, String> {
        I::from_message(message).map_err(|error| error.to_string())
    }

    fn call(
        &self,
        input: I,
        tx: InboxTransaction<DB>,
        message: &Message,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(input, tx, message.clone())
    }
}
