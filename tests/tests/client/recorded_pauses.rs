//! A client whose pauses are written down instead of waited for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use idempotent_core::client::{Clock, IdempotentRetry};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

use crate::server::{Server, Step, status};

/// A clock that only pauses move.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    start: Instant,
    taken: Arc<Mutex<Vec<Duration>>>,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), taken: Arc::default() }
    }

    pub(crate) fn taken(&self) -> Vec<Duration> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn total(&self) -> Duration {
        self.taken().iter().sum()
    }
}

#[async_trait]
impl Clock for Pauses {
    fn now(&self) -> Instant {
        self.start + self.total()
    }

    async fn sleep(&self, pause: Duration) {
        self.taken.lock().unwrap().push(pause);
    }
}

/// A client with these settings, on tokio's clock.
pub(crate) fn client(settings: IdempotentRetry) -> ClientWithMiddleware {
    let inner = reqwest::Client::builder().no_proxy().build().unwrap();
    ClientBuilder::new(inner).with(settings).build()
}

/// A client with these settings, and its clock.
pub(crate) fn skipping(settings: IdempotentRetry) -> (ClientWithMiddleware, Pauses) {
    let pauses = Pauses::new();
    (client(settings.clock(pauses.clone())), pauses)
}

/// A client with the defaults, and a clock that skips pauses.
pub(crate) fn quick() -> ClientWithMiddleware {
    skipping(IdempotentRetry::new()).0
}

/// How often a `POST` with a key is sent that is answered so, and by 201 afterwards; and the status
/// that the caller gets.
pub(crate) async fn posted(first: Step) -> (usize, u16) {
    let server = Server::script([first, status(201)]).await;
    let answer = quick().post(server.url("/")).send().await.unwrap();
    (server.received().len(), answer.status().as_u16())
}
