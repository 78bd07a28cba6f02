//! What a call takes of the server. Every statement is a transaction of its own; a session that rests may tell of its last ones
//! only ten seconds later, so their numbers are rough.

use std::error::Error;
use std::fs;
use std::time::Duration;

use idempotent_servers::Postgres;

use crate::rounds::{Plan, fresh, median, prepare, turn};
use crate::side::What;
use crate::sides::Sides;

const ROUNDS: usize = 5;
/// What is measured, by how many tasks, in turns of how many calls.
const PLANS: [(What, u64, u64); 4] = [
    (What::Execute, 1, 500),
    (What::Execute, 256, 8_192),
    (What::Replay, 1, 8_192),
    (What::Replay, 256, 32_768),
];

/// Prints write-ahead log, processor time and transactions of a call, for each side.
pub(crate) async fn measure(sides: &Sides, server: &Postgres) -> Result<(), Box<dyn Error>> {
    for (what, tasks, calls) in PLANS {
        let plan = Plan { what, tasks, keys: 0, calls };
        println!("{what:?}, {tasks} tasks: of the server, a call");
        let base = fresh();
        for side in &sides.0 {
            prepare(side, plan, base).await;
        }
        let mut taken = [const { [const { Vec::new() }; 3] }; 3];
        let mut before = Counters::read(server).await?;
        for round in 0..ROUNDS {
            for place in 0..taken.len() {
                let which = (place + round) % taken.len();
                turn(&sides.0[which], plan, plan.first(base, round as u64), plan.calls).await;
                let after = Counters::read(server).await?;
                for (all, one) in taken[which].iter_mut().zip(after.since(&before)) {
                    all.push(one / plan.calls as f64);
                }
                before = after;
            }
        }
        for (side, [log, time, transactions]) in
            sides.0.iter().zip(taken.map(|own| own.map(median)))
        {
            let name = side.name();
            println!(
                "  {name:20} {log:>6.0} bytes of log, {time:>6.1} µs, {transactions:>5.2} transactions"
            );
        }
    }
    Ok(())
}

/// What a server counts from its start.
struct Counters {
    log: f64,
    /// In microseconds.
    time: f64,
    transactions: f64,
}

impl Counters {
    async fn read(server: &Postgres) -> Result<Self, Box<dyn Error>> {
        // Sessions report what they counted once a second at most.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let counters = server.sql(
            "SELECT pg_current_wal_insert_lsn() - '0/0', sum(xact_commit + xact_rollback) FROM pg_stat_database
             WHERE datname IN ('older', 'current', 'plain')",
        );
        let counters = counters.await;
        let number = |column: usize| counters[0][column].as_deref().unwrap_or("0").parse::<f64>();
        Ok(Self { log: number(0)?, time: time(server.pid())?, transactions: number(1)? })
    }

    fn since(&self, before: &Self) -> [f64; 3] {
        [self.log - before.log, self.time - before.time, self.transactions - before.transactions]
    }
}

/// The microseconds that a server and its children have spent on a processor. Those that have ended do not count: none
/// that serves a connection does.
fn time(server: u32) -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        // The name stands in brackets, and may hold anything; behind it a letter, and the parent.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        if process != server && fields.split(' ').nth(1) != Some(&*server.to_string()) {
            continue;
        }
        let Ok(spent) = fs::read_to_string(format!("/proc/{process}/schedstat")) else { continue };
        nanoseconds += spent.split(' ').next().unwrap_or("0").parse::<f64>()?;
    }
    Ok(nanoseconds / 1e3)
}
