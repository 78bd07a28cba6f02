//! A broker in memory, which keeps what it is given in order and fails as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::outbox::{Message, Publish, PublishError};
use tokio::sync::Notify;

/// What the broker does with one message.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Unavailable,
    /// It is there, and asks to come back after this long.
    Busy(Duration),
    Refused,
    Poison,
    Panic,
    /// It never answers, and has not got the message.
    Silent,
    /// It has the message, and its answer is lost.
    AnswerLost,
}

/// Decides by the message; `None` is to take it.
type Decide = dyn Fn(&Message) -> Option<Fault> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    has: Mutex<Vec<Message>>,
    /// Of each attempt: the payload, and which attempt it was said to be.
    attempts: Mutex<VecDeque<(String, u32)>>,
    decide: Mutex<Box<Decide>>,
    changed: Notify,
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self::that(|_| None)
    }

    /// One that fails where `decide` says so.
    pub(crate) fn that(decide: impl Fn(&Message) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            has: Mutex::default(),
            attempts: Mutex::default(),
            decide: Mutex::new(Box::new(decide)),
            changed: Notify::new(),
        }))
    }

    pub(crate) fn turn_to(
        &self,
        decide: impl Fn(&Message) -> Option<Fault> + Send + Sync + 'static,
    ) {
        *self.0.decide.lock().unwrap() = Box::new(decide);
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.0.has.lock().unwrap().clone()
    }

    /// Keys and payloads, in the order in which they came.
    pub(crate) fn has(&self) -> Vec<(String, String)> {
        self.messages().into_iter().map(|message| (message.key.clone(), text(&message))).collect()
    }

    /// The payloads of one key, in the order in which they came.
    pub(crate) fn of(&self, key: &str) -> Vec<String> {
        self.has().into_iter().filter(|(of, _)| of == key).map(|(_, text)| text).collect()
    }

    pub(crate) fn attempts(&self) -> Vec<(String, u32)> {
        self.0.attempts.lock().unwrap().iter().cloned().collect()
    }

    /// Until what happened at the broker meets a condition.
    pub(crate) async fn until(&self, met: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.0.changed.notified();
                if met(self) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), waiting).await.is_err() {
            panic!("not within a minute: {:?}", self.attempts());
        }
    }
}

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

#[async_trait]
impl Publish for Broker {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let fault = (self.0.decide.lock().unwrap())(message);
        self.0.attempts.lock().unwrap().push_back((text(message), message.attempt));
        let keep = || self.0.has.lock().unwrap().push(message.clone());
        let result = match fault {
            None => {
                keep();
                Ok(())
            }
            Some(Fault::AnswerLost) => {
                keep();
                Err(PublishError::unavailable("the answer is lost"))
            }
            Some(Fault::Unavailable) => Err(PublishError::unavailable("nobody is there")),
            Some(Fault::Busy(after)) => {
                Err(PublishError::unavailable("too many requests").with_retry_after(after))
            }
            Some(Fault::Refused) => Err(PublishError::refused("not this one")),
            Some(Fault::Poison) => Err(PublishError::poison("never this one")),
            Some(Fault::Panic) => {
                self.0.changed.notify_waiters();
                panic!("the publisher panics, as it should")
            }
            Some(Fault::Silent) => {
                self.0.changed.notify_waiters();
                std::future::pending().await
            }
        };
        self.0.changed.notify_waiters();
        result
    }
}
