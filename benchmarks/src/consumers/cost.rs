//! What a turn takes beside time: of this process, and of the server.

use std::fs;

use idempotent_servers::Postgres;
use sqlx::PgPool;

use crate::Failure;

/// Clock ticks a second, by which Linux counts the processor time of other processes.
const TICKS: f64 = 100.0;

/// Counters that only grow.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Microseconds of processor time that this process has had, which is the client and the broker in memory.
    pub(crate) client: f64,
    /// Microseconds of processor time that the server has had.
    pub(crate) server: f64,
    /// Bytes of write-ahead log.
    pub(crate) log: f64,
}

impl Cost {
    pub(crate) const NONE: Self = Self { client: 0.0, server: 0.0, log: 0.0 };

    pub(crate) async fn so_far(server: &Postgres, pool: &PgPool) -> Result<Self, Failure> {
        let log = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
        let log = sqlx::query_scalar(log).fetch_one(pool).await?;
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let client = time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3;
        Ok(Self { client, server: ticks(server.pid())? / TICKS * 1e6, log })
    }

    /// What was added between these two.
    pub(crate) fn add(&mut self, before: Self, after: Self) {
        self.client += after.client - before.client;
        self.server += after.server - before.server;
        self.log += after.log - before.log;
    }
}

/// The processor time of a server and its children, also of those that have ended.
fn ticks(server: u32) -> Result<f64, Failure> {
    let mut sum = 0.0;
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        // The name stands in brackets, and may hold anything.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |field: usize| fields[field - 3].parse::<f64>();
        if process == server || number(4)? == f64::from(server) {
            sum += number(14)? + number(15)?;
        }
        if process == server {
            sum += number(16)? + number(17)?;
        }
    }
    Ok(sum)
}
