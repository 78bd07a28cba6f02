//! `bench`: what calls cost on this store, from this machine, beside the plain commands that somebody would send by hand.
//! It has an operation of its own, and purges what it wrote. It changes nobody's records, so it asks because of the load
//! alone, and has no audit line.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use idempotent_core::Store;
use idempotent_core::model::{Envelope, Record, RecordId, Token};
use idempotent_core::store::{Complete, CompleteOutcome, Reserve, ReserveOutcome, StoreError};
use tokio::task::JoinSet;

use super::bench_report::{Row, Samples, report};
use crate::args::Bench;
use crate::change::confirm;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{clean, grouped};
use crate::store::Plain;

/// The operation of its records. No application's has this name, so whatever has it may be purged.
pub(super) const OPERATION: &str = "idempotent.bench";

/// How long its records stay if nobody can purge them: it was killed, or the store failed.
const TTL: Duration = Duration::from_secs(600);

/// One run.
struct Run {
    store: Arc<dyn Store>,
    plain: Plain,
    /// Part of every key, so that no two runs share a record.
    run: Token,
    result: Vec<u8>,
    /// Numbers its records from 0.
    records: AtomicU64,
    purged: AtomicU64,
    /// No other request begins.
    is_stopped: AtomicBool,
}

/// What is measured at once.
#[derive(Clone, Copy)]
enum Phase {
    RoundTrip,
    PlainCalls,
    Calls,
    PlainReplays,
    Replays,
}

const PHASES: [Phase; 5] =
    [Phase::RoundTrip, Phase::PlainCalls, Phase::Calls, Phase::PlainReplays, Phase::Replays];

pub(super) async fn run(arguments: Bench, context: &mut Context) -> Result<Exit, Failure> {
    let tasks = arguments.tasks;
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Declined,
            "nobody can be asked whether the store may be loaded, since stdin is no terminal: add --yes",
        ));
    }
    let settings = context.settings()?.with_connections(u32::from(tasks).min(16));
    let store = context.interrupt.unless_pressed(settings.clone().connect()).await??;
    if !arguments.yes {
        confirm(context, &question(&arguments, &store.place())).await?;
    }
    let plain = context.interrupt.unless_pressed(settings.connect_plain(OPERATION)).await??;
    let backend = store.backend.store();
    let asked = context.interrupt.unless_pressed(backend.check()).await??.asked.into_owned();
    let run = Arc::new(Run {
        store: backend,
        plain: plain.clone(),
        run: Token::random(),
        result: vec![b'x'; arguments.result_bytes as usize],
        records: AtomicU64::new(0),
        purged: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
    });
    let share = Duration::from_secs(arguments.seconds.into()) / PHASES.len() as u32;
    let mut rows = Vec::new();
    let mut failure = None;
    for phase in PHASES {
        let mut measured = pin!(measure(&run, phase, tasks, share, &asked));
        match context.interrupt.unless_pressed(measured.as_mut()).await {
            Ok(Ok(measured)) => rows.extend(measured),
            Ok(Err(error)) => failure = Some(Failure::from(error)),
            Err(interrupted) => {
                run.is_stopped.store(true, Ordering::Relaxed);
                // A record that is written after the purge would stay.
                drop(context.interrupt.unless_pressed_again(measured).await);
                failure = Some(interrupted);
            }
        }
        if failure.is_some() {
            break;
        }
    }
    let written = run.records.load(Ordering::Relaxed);
    drop(context.interrupt.unless_pressed_again(purge(&run, tasks, written)).await);
    let left = written - run.purged.load(Ordering::Relaxed);
    report(context, &store.place(), &arguments, &rows, (written - left, left), failure.is_none())?;
    plain.close().await;
    store.close().await;
    if left > 0 {
        let left = grouped(left);
        let text = format!(
            "{left} records of {OPERATION} could not be purged; they expire in 10 minutes, or go with \
                 `idempotent purge --all --operation {OPERATION}`"
        );
        return Err(Failure::new(Exit::Unavailable, text));
    }
    failure.map_or(Ok(Exit::Done), Err)
}

fn question(arguments: &Bench, place: &str) -> String {
    let (tasks, seconds) = (arguments.tasks, arguments.seconds);
    format!(
        "Load {} for {seconds} s with {tasks} tasks, which write records of {OPERATION} and purge them?",
        clean(place)
    )
}

impl Run {
    fn id(&self, number: u64) -> Result<RecordId, StoreError> {
        let id = RecordId::of(OPERATION, None, &(self.run.to_string(), number));
        id.map_err(StoreError::unavailable)
    }

    /// A reservation and its completion, each timed.
    async fn call(&self, samples: &mut [Samples]) -> Result<(), StoreError> {
        let number = self.records.fetch_add(1, Ordering::Relaxed);
        let id = self.id(number)?;
        let request = Reserve::new(&id, Envelope::new(OPERATION));
        let start = Instant::now();
        let outcome = self.store.reserve(&request).await?;
        samples[0].add(start.elapsed());
        // Somebody else's record is never touched.
        if !matches!(outcome, ReserveOutcome::Won) {
            return Err(taken());
        }
        let record: Record = request.record().completed(&self.result);
        let complete = Complete::new(&id, request.record(), &record, TTL);
        let start = Instant::now();
        let outcome = self.store.complete(&complete).await?;
        samples[1].add(start.elapsed());
        if matches!(outcome, CompleteOutcome::Recorded) { Ok(()) } else { Err(taken()) }
    }

    /// The same by hand.
    async fn plain_call(&self, samples: &mut [Samples]) -> Result<(), StoreError> {
        let number = self.records.fetch_add(1, Ordering::Relaxed);
        let id = self.id(number)?;
        let request = Reserve::new(&id, Envelope::new(OPERATION));
        let start = Instant::now();
        let is_reserved = self.plain.reserve(&id, request.record()).await?;
        samples[0].add(start.elapsed());
        let record: Record = request.record().completed(&self.result);
        let start = Instant::now();
        let is_completed = is_reserved && self.plain.complete(&id, &record).await?;
        samples[1].add(start.elapsed());
        if is_completed { Ok(()) } else { Err(taken()) }
    }

    /// One of the records that were written before.
    fn written(&self, nth: u64) -> Result<RecordId, StoreError> {
        self.id(nth % self.records.load(Ordering::Relaxed).max(1))
    }

    async fn once(
        &self,
        phase: Phase,
        nth: u64,
        samples: &mut [Samples],
    ) -> Result<(), StoreError> {
        match phase {
            Phase::Calls => return self.call(samples).await,
            Phase::RoundTrip => {
                let start = Instant::now();
                self.store.check().await?;
                samples[0].add(start.elapsed());
            }
            Phase::PlainCalls => return self.plain_call(samples).await,
            Phase::PlainReplays => {
                let id = self.written(nth)?;
                let start = Instant::now();
                let is_there = self.plain.read(&id).await?;
                samples[0].add(start.elapsed());
                if !is_there {
                    return Err(taken());
                }
            }
            Phase::Replays => {
                let id = self.written(nth)?;
                let request = Reserve::new(&id, Envelope::new(OPERATION));
                let start = Instant::now();
                let outcome = self.store.reserve(&request).await?;
                samples[0].add(start.elapsed());
                if matches!(outcome, ReserveOutcome::Won) {
                    return Err(taken());
                }
            }
        }
        Ok(())
    }
}

fn taken() -> StoreError {
    let text = "a record of the benchmark is not the one that it wrote: is the store evicting?";
    StoreError::unavailable(text).without_outage()
}

async fn measure(
    run: &Arc<Run>,
    phase: Phase,
    tasks: u16,
    share: Duration,
    asked: &str,
) -> Result<Vec<Row>, StoreError> {
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for task in 0..u64::from(tasks) {
        let run = Arc::clone(run);
        workers.spawn(async move {
            let mut samples = [Samples::default(), Samples::default()];
            let mut nth = task;
            // Once at least, however late this begins.
            while (nth == task || start.elapsed() < share)
                && !run.is_stopped.load(Ordering::Relaxed)
            {
                run.once(phase, nth, &mut samples).await?;
                nth += u64::from(tasks);
            }
            Ok::<_, StoreError>(samples)
        });
    }
    let mut sums = [Samples::default(), Samples::default()];
    let mut failure = None;
    while let Some(ended) = workers.join_next().await {
        match ended.unwrap_or_else(|error| Err(StoreError::unavailable(error))) {
            Ok(samples) => {
                for (sum, samples) in sums.iter_mut().zip(samples) {
                    sum.append(samples);
                }
            }
            Err(error) => {
                // The others end what they have begun, so that it can be purged.
                run.is_stopped.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let took = start.elapsed();
    let ([first, second], plain) = (sums, run.plain.commands());
    Ok(match phase {
        Phase::RoundTrip => vec![first.row("round trip", asked, took)],
        Phase::PlainCalls => vec![
            first.row("plain reserve", plain[0], took),
            second.row("plain complete", plain[1], took),
        ],
        Phase::Calls => {
            vec![first.row("reserve", "of a fresh key", took), second.row("complete", "", took)]
        }
        Phase::PlainReplays => vec![first.row("plain replay", plain[2], took)],
        Phase::Replays => vec![first.row("replay", "a reserve that finds the result", took)],
    })
}

/// Removes the records of this run, and counts them, until all are removed or the store is away: each try would wait in vain.
async fn purge(run: &Arc<Run>, tasks: u16, written: u64) {
    let (next, is_away) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for _ in 0..tasks {
        let (run, next, is_away) = (Arc::clone(run), Arc::clone(&next), Arc::clone(&is_away));
        workers.spawn(async move {
            while !is_away.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= written {
                    return;
                }
                let purged = match run.id(number) {
                    Ok(id) => run.store.purge(&id).await.map(drop),
                    Err(error) => Err(error.without_outage()),
                };
                match purged {
                    Ok(()) => drop(run.purged.fetch_add(1, Ordering::Relaxed)),
                    Err(error) if error.is_outage() => is_away.store(true, Ordering::Relaxed),
                    Err(_) => {}
                }
            }
        });
    }
    workers.join_all().await;
}
