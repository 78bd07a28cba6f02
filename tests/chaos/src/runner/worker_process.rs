//! One worker process, from outside.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout_at};

use crate::ledger::Process;
use crate::servers::Servers;
use crate::worker::{Assignment, Instruction, Report};

#[derive(Debug)]
pub(super) struct WorkerProcess {
    pub(super) process: Process,
    child: Child,
    stdin: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    log: std::path::PathBuf,
}

impl WorkerProcess {
    pub(super) fn start(
        servers: &Servers,
        program: &Path,
        assignment: &Assignment,
    ) -> Result<Self> {
        let process = assignment.process;
        let log = assignment.folder.join(format!("log-{process}"));
        let mut child = servers
            .command(program)
            .arg("worker")
            .arg(serde_json::to_string(assignment)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {} as a worker", program.display()))?;
        let stdin = child.stdin.take().context("a worker has a standard input")?;
        let reports = child.stdout.take().context("a worker has a standard output")?;
        Ok(Self { process, child, stdin, reports: BufReader::new(reports).lines(), log })
    }

    pub(super) async fn say(&mut self, instruction: &Instruction) -> Result<()> {
        let mut line = serde_json::to_vec(instruction)?;
        line.push(b'\n');
        match self.stdin.write_all(&line).await {
            Ok(()) => Ok(()),
            Err(_) => self.died(),
        }
    }

    /// Reads on until the worker says `wanted`, and tells whether it did before the deadline.
    pub(super) async fn hear(&mut self, wanted: Report, deadline: Instant) -> Result<bool> {
        while let Ok(line) = timeout_at(deadline, self.reports.next_line()).await {
            let Some(line) = line? else { self.died()? };
            if serde_json::from_str::<Report>(&line)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends a signal that does not end it.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        // Gone and reaped has no number any more.
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.context("the worker is gone")?;
        kill_process(pid, signal).context("signalling a worker")
    }

    /// `kill -9`. Returns when it is gone.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing a worker")
    }

    /// Waits until it has ended by itself.
    pub(super) async fn ended(&mut self, patience: Duration) -> Result<()> {
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => self.died(),
            Err(_) => bail!("worker {} does not end", self.process),
        }
    }

    fn died<T>(&self) -> Result<T> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        bail!("worker {} died by itself:\n{}", self.process, log.trim_end())
    }
}
