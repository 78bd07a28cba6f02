//! [`Handler`]: the async functions that handle messages.

use std::error::Error as StdError;
use std::future::Future;

use super::message::Message;
use super::payload::FromMessage;
use crate::call::Memoizable;

/// An async function that handles messages: of what is [made of a message](FromMessage), and optionally the
/// [`Message`] itself. It returns a `Result` whose `Ok` is [kept](crate::Operation::ttl), `()` as a rule, and whose
/// error becomes a `Box<dyn Error + Send + Sync>`, so `anyhow::Error` and `String` will do.
#[diagnostic::on_unimplemented(
    message = "this is no handler of messages",
    label = "must be an async function of a payload, and optionally the `Message`, that returns `Result`",
    note = "for example `|order: Json<Order>, message: Message| async move {{ Ok::<(), String>(()) }}`",
    note = "its future must be `Send`, the first argument `FromMessage`, and the `Ok` type `Serialize` and `DeserializeOwned`"
)]
pub trait Handler<Arguments>: Send + Sync + 'static {
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
        message: &Message,
    ) -> impl Future<Output = Result<Self::Ok, Self::Err>> + Send + 'static;
}

#[diagnostic::do_not_recommend]
impl<F, I, Fut, T, E> Handler<(I,)> for F
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
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

    fn call(&self, input: I, _: &Message) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(input)
    }
}

#[diagnostic::do_not_recommend]
impl<F, I, Fut, T, E> Handler<(I, Message)> for F
where
    F: Fn(I, Message) -> Fut + Send + Sync + 'static,
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
        message: &Message,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static {
        self(input, message.clone())
    }
}
