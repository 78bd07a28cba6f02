//! A call with steps, as the store sees it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::model::{Envelope, Record, StepEntry, StepId, Token};
use idempotent_core::store::{
    Replaces, Resume, ResumeOutcome, Store, StoreError, Suspend, WriteStep, WriteStepOutcome,
};
use idempotent_core::{Error, Guarantee, Operation};
use idempotent_servers::{Flavor, Redis, TcpProxy};
use idempotent_tests::{Attempt, Runs};

/// How long a call of these tests is kept once its lease has lapsed.
pub(super) const RETENTION: Duration = Duration::from_secs(3600);

/// The statuses of entries.
pub(super) const BEGUN: u8 = 0;
pub(super) const RECORDED: u8 = 1;

/// A server, and a store whose every byte goes through a proxy.
pub(super) struct Behind {
    pub(super) server: Redis,
    pub(super) proxy: TcpProxy,
    pub(super) store: RedisStore,
}

impl Behind {
    pub(super) async fn new(flavor: Flavor) -> Self {
        let server = Redis::builder().flavor(flavor).start().await;
        let proxy = TcpProxy::start(server.address()).await;
        let store = RedisStore::builder(proxy.redis_url());
        let store = store.response_timeout(Duration::from_secs(10)).connect().await.unwrap();
        Self { server, proxy, store }
    }

    /// A number that a command answers.
    pub(super) async fn number(&self, command: &[&str]) -> i64 {
        number(&self.server, command).await
    }

    /// How often scripts and clients have made the server carry out a command.
    pub(super) async fn calls_of(&self, command: &str) -> usize {
        let stats = self.server.cli(&["INFO", "commandstats"]).await.to_string();
        let prefix = format!("cmdstat_{command}:calls=");
        let counts = stats.lines().filter_map(|line| line.strip_prefix(&prefix));
        counts.map(|rest| rest.split(',').next().unwrap().parse::<usize>().unwrap()).sum()
    }
}

/// A number that a command answers.
pub(super) async fn number(server: &Redis, command: &[&str]) -> i64 {
    server.cli(command).await.to_string().parse().unwrap()
}

/// One run of a call.
pub(super) struct Run {
    pub(super) attempt: Attempt,
    /// Its reservation, before its first step and after.
    pub(super) plain: Record,
    pub(super) record: Record,
}

impl Run {
    pub(super) async fn begin(store: &dyn Store) -> Self {
        let attempt = Attempt::new();
        let plain = attempt.win(store).await;
        let record = plain.with_journal(plain.token(), RETENTION);
        Self { attempt, plain, record }
    }

    /// With one recorded step, `charge`.
    pub(super) async fn with_a_step(store: &dyn Store) -> Self {
        let run = Self::begin(store).await;
        run.expect_written(store, "charge", &entry(RECORDED, 1)).await;
        run
    }

    /// The next run of the same call.
    pub(super) fn next(&self) -> Self {
        let envelope = Envelope::new(self.attempt.id.operation()).lease(Attempt::LEASE);
        let record = Record::reserved(&envelope, Token::random());
        let record = record.with_journal(self.record.journal().unwrap(), RETENTION);
        Self { attempt: self.attempt.clone(), plain: record.clone(), record }
    }

    pub(super) fn step(&self, name: &str) -> StepId {
        StepId::of_call(&self.attempt.id).step(name, None)
    }

    pub(super) async fn write(
        &self,
        store: &dyn Store,
        name: &str,
        entry: &StepEntry,
    ) -> Result<WriteStepOutcome, StoreError> {
        let step = self.step(name);
        let request = WriteStep::new(&self.attempt.id, &self.record, &step, entry);
        store.journal().unwrap().write_step(&request).await
    }

    pub(super) async fn expect_written(&self, store: &dyn Store, name: &str, entry: &StepEntry) {
        let written = self.write(store, name, entry).await.unwrap();
        assert_eq!(written, WriteStepOutcome::Written);
    }

    /// Writes that a step begins.
    pub(super) async fn start(
        &self,
        store: &dyn Store,
        name: &str,
        entry: &StepEntry,
    ) -> Result<WriteStepOutcome, StoreError> {
        let step = self.step(name);
        let request = WriteStep::new(&self.attempt.id, &self.record, &step, entry);
        let request = request.replacing(Replaces::Nothing).beginning();
        store.journal().unwrap().write_step(&request).await
    }

    pub(super) async fn steps(&self, store: &dyn Store) -> Vec<(StepId, StepEntry)> {
        let name = self.record.journal().unwrap();
        store.journal().unwrap().load_steps(&self.attempt.id, name).await.unwrap()
    }

    pub(super) async fn suspend(&self, store: &dyn Store) -> Result<(), StoreError> {
        let suspended = self.record.abandoned();
        let request = Suspend::new(&self.attempt.id, &self.plain, &suspended);
        store.journal().unwrap().suspend(&request).await
    }

    /// Takes this call, which was suspended.
    pub(super) async fn resume(
        &self,
        store: &dyn Store,
        next: &Self,
    ) -> Result<ResumeOutcome, StoreError> {
        let seen = self.record.abandoned();
        let request = Resume::new(&self.attempt.id, &seen, &next.record, Attempt::LEASE);
        store.journal().unwrap().resume(&request).await
    }

    /// The keys of its record and of its journal.
    pub(super) fn keys(&self) -> (String, String) {
        let id = &self.attempt.id;
        let record = format!("idem:{}:{}", id.operation(), URL_SAFE_NO_PAD.encode(id.hash()));
        let journal = format!("idem:{}:{{{record}}}", id.operation());
        (record, journal)
    }
}

/// An entry of the first layout, without a name: what a journal has of a step, by its attempt.
pub(super) fn entry(status: u8, attempt: u8) -> StepEntry {
    StepEntry::from_bytes(&[&[1, status, 0][..], &[attempt; 16], &[0; 50]].concat()).unwrap()
}

/// A step that counts how often it ran.
pub(super) async fn step(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    idempotent_core::step(name, || async { Ok(runs.note()) }).await
}

/// The same, at most once.
pub(super) async fn once(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    step.returning::<Result<usize, Error>>().run(|| async { Ok(runs.note()) }).await
}

/// A call of a fresh key.
pub(super) async fn call<F, Fut>(engine: &Idempotency, key: &str, body: F) -> Result<usize, Error>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<usize, Error>>,
{
    let call = Operation::new("checkout").lease(Attempt::LEASE).key(key).engine(engine);
    call.returning::<Result<usize, Error>>().run(body).await
}

/// An error of a body's own.
pub(super) async fn failure() -> Error {
    let call = Operation::new("failure").key(&None::<u32>).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap_err()
}
