//! [`AttemptLog`]: the attempts of a message, kept in the store.
//!
//! Each attempt is a completed record of its own, with the message's position and the attempt's number as its key. So
//! none of this depends on what a broker counts, and nothing is written for a message that succeeds at once.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::message::Message;
use crate::call::BeginOutcome;
use crate::engine::{CallLimits, Idempotency, Limiter};
use crate::error::{Error, ErrorKind};
use crate::model::{Operation, RecordId};

/// What follows a consumer's name in that of its attempts.
pub(super) const SUFFIX: &str = ".attempts";

/// Longer positions are hashed, in bytes.
const MAX_POSITION: usize = 128;

/// The attempts of one consumer's messages.
pub(super) struct AttemptLog {
    engine: Idempotency,
    operation: Operation,
    /// The log's calls are made within a message's call, which has its seat among the engine's. A second one for each
    /// might not be there.
    unlimited: Arc<Limiter>,
}

impl AttemptLog {
    pub(super) fn new(engine: &Idempotency, consumer: &str, ttl: Duration) -> Self {
        let operation = Operation::new(interned(format!("{consumer}{SUFFIX}"))).ttl(ttl);
        let unlimited = Arc::new(Limiter::new(CallLimits::default()));
        Self { engine: engine.clone(), operation, unlimited }
    }

    /// How many attempts of a message are noted, of which there are at most `limit`.
    ///
    /// They have the numbers from 1 on without a gap, so the last one is searched for. It is usually the one before
    /// this delivery.
    pub(super) async fn noted(&self, message: &Message, limit: u32) -> Result<u32, Error> {
        let earlier = message.delivery_count().map_or(u64::MAX, |count| count.saturating_sub(1));
        let mut most = u32::try_from(earlier).unwrap_or(u32::MAX).min(limit);
        let (mut least, mut tried) = (0, most);
        while least < most {
            if self.is_noted(message, tried).await? {
                least = tried;
            } else {
                most = tried - 1;
            }
            tried = least + (most - least).div_ceil(2);
        }
        Ok(least)
    }

    async fn is_noted(&self, message: &Message, attempt: u32) -> Result<bool, Error> {
        let Some(id) = self.record_id(message, attempt) else { return Ok(false) };
        Ok(self.engine.inspect(&id).await?.is_some())
    }

    /// Notes the nth attempt.
    pub(super) async fn note(&self, message: &Message, attempt: u32) -> Result<(), Error> {
        let call = self.operation.key(&(&*place(message), attempt)).limiter(&self.unlimited);
        match call.engine(&self.engine).returning::<Result<(), Error>>().begin().await {
            Ok(BeginOutcome::Reserved(reservation)) => {
                reservation.complete(&Ok(())).await;
                Ok(())
            }
            Ok(BeginOutcome::Replayed(_)) => Ok(()),
            Err(error) if error.kind() == ErrorKind::InProgress => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the nth attempt back: it was none.
    pub(super) async fn forget(&self, message: &Message, attempt: u32) -> Result<(), Error> {
        if let Some(id) = self.record_id(message, attempt) {
            self.engine.purge(&id).await?;
        }
        Ok(())
    }

    fn record_id(&self, message: &Message, attempt: u32) -> Option<RecordId> {
        self.engine.record_id(self.operation.name, None, &(&*place(message), attempt)).ok()
    }
}

/// The position in the key of an attempt. Names of streams and queues may be longer than keys.
fn place(message: &Message) -> Cow<'_, str> {
    match message.position() {
        short if short.len() <= MAX_POSITION => Cow::Borrowed(short),
        long => Cow::Owned(blake3::hash(long.as_bytes()).to_string()),
    }
}

/// A name for the life of the process, which is leaked once however many consumers have it.
fn interned(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name.as_str()) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}

#[cfg(all(test, feature = "moka"))]
mod tests {
    use super::*;
    use crate::backends::MemoryStore;

    fn message(count: Option<u64>) -> Message {
        let message = Message::new("7", "orders", "");
        match count {
            Some(count) => message.with_delivery_count(count),
            None => message,
        }
    }

    #[tokio::test]
    async fn as_many_attempts_are_found_as_were_noted() {
        let engine = Idempotency::new(MemoryStore::new());
        let log = AttemptLog::new(&engine, "shop", Duration::from_secs(60));
        for noted in 0..9 {
            for count in [None, Some(u64::from(noted) + 1), Some(500), Some(u64::MAX)] {
                assert_eq!(log.noted(&message(count), 100).await.unwrap(), noted, "{count:?}");
            }
            log.note(&message(None), noted + 1).await.unwrap();
            log.note(&message(None), noted + 1).await.unwrap();
        }
        log.forget(&message(None), 9).await.unwrap();
        assert_eq!(log.noted(&message(None), 100).await.unwrap(), 8);
        assert_eq!(log.noted(&message(None).at("elsewhere"), 100).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn attempts_are_noted_while_all_seats_of_the_engine_are_taken() {
        let engine = Idempotency::builder(MemoryStore::new()).max_running(1).build();
        let log = AttemptLog::new(&engine, "shop", Duration::from_secs(60));
        let call = Operation::new("shop").key("7").engine(&engine);
        let begun = call.returning::<Result<(), Error>>().begin().await.unwrap();
        assert!(matches!(begun, BeginOutcome::Reserved(_)));
        log.note(&message(None), 1).await.unwrap();
        assert_eq!(log.noted(&message(None), 100).await.unwrap(), 1);
        drop(begun);
    }

    #[test]
    fn a_name_is_leaked_once() {
        let names = [interned("shop.a".to_owned()), interned("shop.a".to_owned())];
        assert!(std::ptr::eq(names[0], names[1]));
    }
}
