//! Sends a write to the primary of its key, waits for its replicas, and tries again where another
//! attempt may succeed.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::min_replicas::MinReplicas;
use super::queued_command::{Failure, NeedsReplicas, QueuedCommand};
use super::router::{Route, Router};
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::Client;
use crate::backends::redis::error::{closed, lost_connection, timed_out};

/// Redirects, and refusals by servers whose roles are changing: enough for one failover, within the
/// time of a write.
const MAX_REFUSALS: u32 = 6;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Sends writes that wait for replicas.
pub(in crate::backends::redis) struct ReplicatedWriter {
    router: Router,
    in_flight: Arc<Semaphore>,
    max_in_flight: usize,
    timeout: Duration,
}

/// The next attempt of one write, and how many more it has.
struct Attempts {
    route: Route,
    refusals_left: u32,
    losses_left: u32,
    pause: Duration,
}

impl ReplicatedWriter {
    pub(in crate::backends::redis) fn new(
        client: Arc<Client>,
        tasks: Arc<BackgroundTasks>,
        min_replicas: MinReplicas,
    ) -> Self {
        let limits = client.limits();
        let wait_timeout = min_replicas.timeout;
        Self {
            // The batch before it may use up its time, and then its own may.
            timeout: limits.response_timeout.saturating_add(wait_timeout.saturating_mul(2)),
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            max_in_flight: limits.in_flight,
            router: Router::new(client, tasks, min_replicas),
        }
    }

    /// Whether the last write to the primary of a key failed. A read may then make another one
    /// unnecessary.
    pub(in crate::backends::redis) fn is_failing(&self, key: &str) -> bool {
        self.router.is_failing(key)
    }

    /// Sends a command, perhaps twice. If the answer needs replicas, it is returned once enough of them
    /// have what the command wrote.
    pub(in crate::backends::redis) async fn write(
        &self,
        key: &str,
        command: &Cmd,
        needs_replicas: NeedsReplicas,
    ) -> RedisResult<Value> {
        let mut last_error = None;
        let write = self.write_with_retries(key, command, needs_replicas, &mut last_error);
        timeout(self.timeout, write).await.unwrap_or_else(|_| {
            self.router.mark_stale();
            Err(last_error.unwrap_or_else(timed_out))
        })
    }

    /// Waits for the writes in flight, for as long as one of them may take, and fails every write from
    /// then on.
    pub(in crate::backends::redis) async fn close(&self) {
        let permits = u32::try_from(self.max_in_flight).unwrap_or(u32::MAX);
        // Fails if it is closed already, and then nothing is in flight.
        let _ = timeout(self.timeout, self.in_flight.acquire_many(permits)).await;
        self.in_flight.close();
    }

    async fn write_with_retries(
        &self,
        key: &str,
        command: &Cmd,
        needs_replicas: NeedsReplicas,
        last_error: &mut Option<RedisError>,
    ) -> RedisResult<Value> {
        let mut attempts = Attempts::new();
        loop {
            match self.attempt(key, command, needs_replicas, &attempts.route).await {
                Ok(value) => return Ok(value),
                Err(failure) => *last_error = Some(self.retry(&mut attempts, failure)?),
            }
            if matches!(attempts.route, Route::Primary) {
                sleep(attempts.pause).await;
                attempts.pause = (attempts.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Prepares another attempt if it may succeed, and returns the error of the last one; otherwise
    /// fails with it.
    fn retry(&self, attempts: &mut Attempts, failure: Failure) -> RedisResult<RedisError> {
        match failure {
            Failure::TooFewReplicas(error) => Err(error),
            Failure::Refused(error) => match self.router.route_after(&error) {
                Some(route) if attempts.refusals_left > 0 => {
                    attempts.refusals_left -= 1;
                    attempts.route = route;
                    Ok(error)
                }
                _ => Err(error),
            },
            Failure::Lost(error) => {
                if attempts.losses_left == 0 {
                    return Err(error);
                }
                attempts.losses_left -= 1;
                attempts.route = Route::Primary;
                Ok(error)
            }
            Failure::Unsent(error) => {
                attempts.route = Route::Primary;
                Ok(error)
            }
        }
    }

    async fn attempt(
        &self,
        key: &str,
        command: &Cmd,
        needs_replicas: NeedsReplicas,
        route: &Route,
    ) -> Result<Value, Failure> {
        let permit = Arc::clone(&self.in_flight).acquire_owned().await;
        let permit = permit.map_err(|_| Failure::Refused(closed()))?;
        let writer = self.router.writer(key, route).await.map_err(Failure::Unsent)?;
        let (queued, answer) =
            QueuedCommand::new(command.clone(), needs_replicas, route.is_asking(), Some(permit));
        if !writer.push(queued) {
            return Err(Failure::Unsent(lost_connection()));
        }
        // There is no answer if the writer's runtime ended; the command may have been sent.
        answer.await.unwrap_or_else(|_| Err(Failure::Lost(lost_connection())))
    }
}

impl Attempts {
    const fn new() -> Self {
        let (refusals_left, losses_left) = (MAX_REFUSALS, 1);
        Self { route: Route::Primary, refusals_left, losses_left, pause: FIRST_PAUSE }
    }
}
