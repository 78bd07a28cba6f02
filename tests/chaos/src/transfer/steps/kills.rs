//! Calls that are broken at one point each: their workers, or the server, are killed there.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use idempotent_servers::{Halted, Postgres, StepProxy};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::ONCE;
use super::call_steps::{Call, CallSteps, Point, name};
use super::repeat_caller::RepeatCaller;
use super::single_call::{CallAnswer, SingleCall};
use super::verdict::CallOutcome;
use crate::transfer::Level;
use crate::transfer::bank::Order;

/// Longer without coming to its point is a call that does not come there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Workers that are there at once.
const AT_ONCE: usize = 8;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The process that makes the call.
    Worker,
    /// The database.
    Server,
}

impl Victim {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Worker, Self::Server];
}

/// One call that is broken.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) call: Call,
    pub(super) victim: Victim,
    pub(super) point: Point,
    /// The name of the step, and its message.
    pub(super) step: Option<(&'static str, &'static str)>,
    pub(super) order: Order,
}

/// The bank, and how it is called.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) server: Postgres,
    pub(super) program: PathBuf,
    pub(super) level: Level,
}

/// A worker's process, and what it says.
struct Worker {
    child: Child,
    /// Until this is dropped it stays.
    _stdin: ChildStdin,
    out: BufReader<ChildStdout>,
    line: Vec<u8>,
}

/// How a call stops.
enum Stops {
    At(Halted),
    Answered(CallAnswer),
}

/// A call as a task of this process.
struct Going {
    proxy: StepProxy,
    single_call: SingleCall,
    call: JoinHandle<Result<CallAnswer>>,
    told: Option<CallAnswer>,
}

impl Setup {
    fn single_call(&self, case: &Case, proxy: &StepProxy) -> SingleCall {
        SingleCall {
            url: proxy.postgres_url(&self.server),
            level: self.level,
            order: case.order.clone(),
            decline: case.call == Call::Declined,
        }
    }

    /// The steps of a call that nobody disturbs.
    pub(super) async fn call_steps(&self, case: &Case) -> Result<CallSteps> {
        let proxy = StepProxy::start(self.server.address()).await?;
        let mut worker = self.start_worker(&self.single_call(case, &proxy))?;
        worker.told().await?.context("an answer")?;
        worker.kill().await?;
        let seen = proxy.seen();
        ensure!(seen.len() == 1, "a call made {} transactions", seen.len());
        CallSteps::new(case.call, seen.first().context("a transaction")?)
    }

    /// Each in a process of its own. The call is made again as soon as that is dead.
    pub(super) async fn kill_workers(
        self: &Arc<Self>,
        cases: Vec<Case>,
        repeat_caller: &RepeatCaller,
    ) -> Result<Vec<(Case, CallOutcome)>> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for case in cases {
            let (setup, repeat_caller, places) =
                (Arc::clone(self), repeat_caller.clone(), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await?;
                let earlier = repeat_caller.prepare(&case).await?;
                let first = in_time(&case, setup.kill_a_worker(&case)).await?;
                let again = repeat_caller.again(&case).await;
                Ok((case, CallOutcome { earlier, first, again }))
            });
        }
        running.join_all().await.into_iter().collect()
    }

    async fn kill_a_worker(&self, case: &Case) -> Result<Option<CallAnswer>> {
        let proxy = StepProxy::start(self.server.address()).await?;
        case.arm(&proxy);
        let single_call = self.single_call(case, &proxy);
        loop {
            let mut worker = self.start_worker(&single_call)?;
            let stops = tokio::select! {
                halted = proxy.halted() => Stops::At(halted),
                told = worker.told() => Stops::Answered(told?.context("it ended")?),
            };
            let there = case.is_there(&proxy, stops).await?;
            worker.kill().await?;
            if there {
                return worker.told().await;
            }
        }
    }

    fn start_worker(&self, single_call: &SingleCall) -> Result<Worker> {
        let mut child = Command::new(&self.program)
            .arg(ONCE)
            .arg(serde_json::to_string(single_call)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting a worker")?;
        let stdin = child.stdin.take().context("a worker's input")?;
        let out = BufReader::new(child.stdout.take().context("a worker's output")?);
        Ok(Worker { child, _stdin: stdin, out, line: Vec::new() })
    }

    /// All at once, when each of them is at its point.
    pub(super) async fn kill_the_server(
        &self,
        cases: Vec<Case>,
        repeat_caller: &RepeatCaller,
    ) -> Result<Vec<(Case, CallOutcome)>> {
        let mut calls = Vec::new();
        for case in cases {
            let earlier = repeat_caller.prepare(&case).await?;
            let proxy = StepProxy::start(self.server.address()).await?;
            case.arm(&proxy);
            let single_call = self.single_call(&case, &proxy);
            let call = single_call.clone().spawn();
            calls.push((case, earlier, Going { proxy, single_call, call, told: None }));
        }
        for (case, _, call) in &mut calls {
            in_time(case, call.comes_to(case)).await?;
        }
        self.server.kill();
        let mut told = Vec::new();
        for (case, earlier, call) in calls {
            told.push((case, earlier, Some(call.ends().await?)));
        }
        self.server.restart().await;
        // Of the other one's connections none is alive.
        let repeat_caller = RepeatCaller::of(self).await?;
        let mut ended = Vec::new();
        for (case, earlier, first) in told {
            let again = repeat_caller.again(&case).await;
            ended.push((case, CallOutcome { earlier, first, again }));
        }
        Ok(ended)
    }
}

/// A call that does not come to its point is said by name.
async fn in_time<T>(case: &Case, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = timeout(PATIENCE, work).await.map_err(Error::from).and_then(|done| done);
    done.with_context(|| format!("{case:?}"))
}

impl Case {
    fn arm(&self, proxy: &StepProxy) {
        if let Point::Step(number, halt) = self.point {
            proxy.halt(number, halt);
        }
    }

    /// Whether the call came to the case's point. If not, it may once more: the database turned a
    /// transaction away before it came there, or a busy machine let it wait too long.
    async fn is_there(&self, proxy: &StepProxy, stops: Stops) -> Result<bool> {
        let Some(wanted) = self.step else {
            return Ok(!matches!(stops, Stops::Answered(CallAnswer::Failed(_))));
        };
        let halted = match stops {
            Stops::At(halted) => halted,
            // Its caller has all its answers.
            Stops::Answered(_) if proxy.is_armed() => return Ok(false),
            Stops::Answered(_) => proxy.halted().await,
        };
        // The number alone would not do: an attempt may send less than another.
        let (name, message) = (name(halted.step().statement()), halted.step().message());
        ensure!(name == Some(wanted.0) && message == wanted.1, "it came to {name:?}, {message}");
        Ok(true)
    }
}

impl Worker {
    /// The line that it wrote, if it came to that.
    async fn told(&mut self) -> Result<Option<CallAnswer>> {
        if !self.line.ends_with(b"\n") {
            self.out.read_until(b'\n', &mut self.line).await?;
        }
        Ok(if self.line.is_empty() { None } else { Some(serde_json::from_slice(&self.line)?) })
    }

    /// `kill -9`, and returns when it is gone.
    async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing a worker")
    }
}

impl Going {
    async fn comes_to(&mut self, case: &Case) -> Result<()> {
        loop {
            let stops = tokio::select! {
                halted = self.proxy.halted() => Stops::At(halted),
                told = &mut self.call => Stops::Answered(self.told.insert(told??).clone()),
            };
            if case.is_there(&self.proxy, stops).await? {
                return Ok(());
            }
            (self.call, self.told) = (self.single_call.clone().spawn(), None);
        }
    }

    async fn ends(self) -> Result<CallAnswer> {
        match self.told {
            Some(told) => Ok(told),
            None => self.call.await?,
        }
    }
}
