//! When which fault comes: drawn from the seed before anything starts, so that a seed is a run.

use std::fmt;
use std::time::Duration;

use crate::row::{Row, ServerFault, WorkerFault};

/// All faults of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Faults of workers, in order; they may overlap.
    pub workers: Vec<Planned<AtWorker>>,
    /// Faults of servers, in order; each is over before the next begins.
    pub servers: Vec<Planned<AtServer>>,
}

/// A fault and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planned<F> {
    /// How long after the load began.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What.
    pub fault: F,
}

/// A fault of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtWorker {
    /// Which of the workers.
    pub slot: usize,
    /// What.
    pub what: WorkerFault,
}

/// A fault of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtServer {
    /// Chooses among the servers that it could befall.
    pub pick: u32,
    /// What.
    pub what: ServerFault,
}

/// The load runs undisturbed first, and again at the end.
const BEFORE: Duration = Duration::from_millis(700);
const AFTER: Duration = Duration::from_millis(1_000);

impl Schedule {
    /// The faults of a row with this seed, for so many workers.
    #[must_use]
    pub fn draw(row: &Row, seed: u64, workers: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let window = row.load.saturating_sub(BEFORE + AFTER);
        let servers = server_faults(&mut random, row, window);
        let workers = worker_faults(&mut random, row, window, workers);
        Self { workers, servers }
    }
}

/// One after the other, each in its own share of the time.
fn server_faults(
    random: &mut fastrand::Rng,
    row: &Row,
    window: Duration,
) -> Vec<Planned<AtServer>> {
    let count = u32::try_from(row.server_faults.len()).unwrap_or(u32::MAX).max(1);
    let share = window / count;
    let mut start = BEFORE;
    let mut planned = Vec::new();
    for what in &row.server_faults {
        let at = start + between(random, Duration::ZERO, share / 3);
        let (shortest, longest) = duration_of(*what);
        let lasts = between(random, shortest, longest).min(share * 2 / 3);
        planned.push(Planned { at, lasts, fault: AtServer { pick: random.u32(..), what: *what } });
        start += share;
    }
    planned
}

/// The shortest and the longest time that a fault lasts.
pub(crate) fn duration_of(fault: ServerFault) -> (Duration, Duration) {
    let (shortest, longest) = match fault {
        // Nothing that lasts.
        ServerFault::FlushScripts | ServerFault::DropConnections => (0, 0),
        // Well below what a cluster needs to miss a node.
        ServerFault::RestartMaster => (10, 100),
        ServerFault::Restart => (100, 800),
        ServerFault::LoseAnswers | ServerFault::Delay => (300, 1_000),
        ServerFault::Pause => (500, 2_200),
        ServerFault::FillMemory => (500, 1_500),
        ServerFault::DemotePrimary => (2_000, 4_000),
        // Longer than a failover takes.
        ServerFault::KillMaster => (3_500, 4_500),
        ServerFault::CutMaster | ServerFault::CutMasterWithReplica => (3_500, 4_800),
    };
    (Duration::from_millis(shortest), Duration::from_millis(longest))
}

fn worker_faults(
    random: &mut fastrand::Rng,
    row: &Row,
    window: Duration,
    workers: usize,
) -> Vec<Planned<AtWorker>> {
    let mut planned: Vec<_> = row
        .worker_faults
        .iter()
        .map(|&what| {
            let at = BEFORE + between(random, Duration::ZERO, window);
            let (shortest, longest) = match what {
                // How long its place stays empty.
                WorkerFault::Kill => (Duration::from_millis(50), Duration::from_millis(400)),
                WorkerFault::Pause => (row.lease * 5 / 4, row.lease * 3 / 2),
                WorkerFault::CancelBegins => {
                    (Duration::from_millis(500), Duration::from_millis(1_500))
                }
                WorkerFault::ExhaustPool => (row.lease * 3 / 2, row.lease * 2),
            };
            let lasts = between(random, shortest, longest);
            Planned { at, lasts, fault: AtWorker { slot: random.usize(..workers.max(1)), what } }
        })
        .collect();
    planned.sort_by_key(|planned| planned.at);
    planned
}

fn between(random: &mut fastrand::Rng, shortest: Duration, longest: Duration) -> Duration {
    let span = longest.saturating_sub(shortest).as_micros();
    let span = u64::try_from(span).unwrap_or(u64::MAX);
    shortest + Duration::from_micros(random.u64(..=span))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.workers.iter().map(|planned| (planned.at, planned.to_string()));
        let servers = self.servers.iter().map(|planned| (planned.at, planned.to_string()));
        let mut lines: Vec<_> = workers.chain(servers).collect();
        lines.sort();
        lines.iter().try_for_each(|(_, line)| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Planned<AtWorker> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, fault: AtWorker { slot, what } } = self;
        let (at, lasts) = (at.as_secs_f64(), lasts.as_millis());
        match what {
            WorkerFault::Kill => {
                write!(
                    f,
                    "{at:7.3} s  worker {slot}: kill -9, another in its place after {lasts} ms"
                )
            }
            WorkerFault::Pause => write!(f, "{at:7.3} s  worker {slot}: kill -STOP for {lasts} ms"),
            WorkerFault::CancelBegins => {
                write!(f, "{at:7.3} s  worker {slot}: begins dropped half way for {lasts} ms")
            }
            WorkerFault::ExhaustPool => {
                write!(f, "{at:7.3} s  worker {slot}: every connection held for {lasts} ms")
            }
        }
    }
}

impl fmt::Display for Planned<AtServer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, fault: AtServer { what, .. } } = self;
        let (at, lasts) = (at.as_secs_f64(), lasts.as_millis());
        write!(f, "{at:7.3} s  server: ")?;
        match what {
            ServerFault::Pause => write!(f, "kill -STOP for {lasts} ms"),
            ServerFault::Restart => write!(f, "kill -9, started again after {lasts} ms"),
            ServerFault::KillMaster => {
                write!(f, "kill -9 of a master, started again after {lasts} ms")
            }
            ServerFault::RestartMaster => {
                write!(f, "kill -9 of a master, started again at once, after {lasts} ms")
            }
            ServerFault::CutMaster => write!(f, "a master parted from the rest for {lasts} ms"),
            ServerFault::CutMasterWithReplica => {
                write!(f, "a master and one replica parted from the rest for {lasts} ms")
            }
            ServerFault::LoseAnswers => write!(f, "answers lost for {lasts} ms"),
            ServerFault::Delay => write!(f, "everything delayed for {lasts} ms"),
            ServerFault::DropConnections => write!(f, "every connection dropped"),
            ServerFault::FlushScripts => write!(f, "SCRIPT FLUSH"),
            ServerFault::FillMemory => write!(f, "memory limit reached for {lasts} ms"),
            ServerFault::DemotePrimary => write!(f, "read-only for {lasts} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::rows;

    #[test]
    fn a_seed_is_a_schedule() {
        for row in rows() {
            assert_eq!(Schedule::draw(&row, 7, 4), Schedule::draw(&row, 7, 4));
            assert_ne!(Schedule::draw(&row, 7, 4), Schedule::draw(&row, 8, 4));
        }
    }

    #[test]
    fn faults_of_servers_never_overlap_and_end_within_the_load() {
        for (row, seed) in rows().iter().flat_map(|row| (0..50).map(move |seed| (row, seed))) {
            let schedule = Schedule::draw(row, seed, 4);
            for pair in schedule.servers.windows(2) {
                assert!(pair[0].at + pair[0].lasts <= pair[1].at, "{}\n{schedule}", row.name);
            }
            let ends = schedule.servers.iter().map(|planned| planned.at + planned.lasts);
            assert!(ends.max() <= Some(row.load), "{}\n{schedule}", row.name);
            assert_eq!(schedule.servers.len(), row.server_faults.len());
            assert_eq!(schedule.workers.len(), row.worker_faults.len());
        }
    }

    #[test]
    fn a_failover_has_the_time_it_takes() {
        for (row, seed) in rows().iter().flat_map(|row| (0..50).map(move |seed| (row, seed))) {
            for planned in Schedule::draw(row, seed, 4).servers {
                let (shortest, _) = duration_of(planned.fault.what);
                assert!(planned.lasts >= shortest, "{}: {planned}", row.name);
            }
        }
    }
}
