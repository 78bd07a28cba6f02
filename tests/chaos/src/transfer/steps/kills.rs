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
use super::course::{Call, Course, Point, name};
use super::errand::{Errand, Told};
use super::second::Second;
use super::verdict::Ended;
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
    /// What the course calls the step.
    pub(super) step: Option<(&'static str, &'static str)>,
    pub(super) order: Order,
}

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) server: Postgres,
    pub(super) program: PathBuf,
    pub(super) level: Level,
}

/// A worker's process, and what it says.
struct Worker {
    child: Child,
    /// Until this is dropped it stays.
    _orders: ChildStdin,
    out: BufReader<ChildStdout>,
    line: Vec<u8>,
}

/// How a call stops.
enum Stops {
    At(Halted),
    Told(Told),
}

/// A call as a task of this process.
struct Going {
    proxy: StepProxy,
    errand: Errand,
    call: JoinHandle<Result<Told>>,
    told: Option<Told>,
}

impl Scene {
    fn errand(&self, case: &Case, proxy: &StepProxy) -> Errand {
        Errand {
            url: self.server.url_at(proxy.address()),
            level: self.level,
            order: case.order.clone(),
            decline: case.call == Call::Declined,
        }
    }

    /// The steps of a call that nobody disturbs.
    pub(super) async fn course(&self, case: &Case) -> Result<Course> {
        let proxy = StepProxy::start(self.server.address()).await?;
        let mut worker = self.hire(&self.errand(case, &proxy))?;
        worker.told().await?.context("an answer")?;
        worker.kill().await?;
        let seen = proxy.seen();
        ensure!(seen.len() == 1, "a call made {} transactions", seen.len());
        Course::new(case.call, seen.first().context("a transaction")?)
    }

    /// Each in a process of its own. The call is made again as soon as that is dead.
    pub(super) async fn kill_workers(
        self: &Arc<Self>,
        cases: Vec<Case>,
        second: &Second,
    ) -> Result<Vec<(Case, Ended)>> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for case in cases {
            let (scene, second, places) = (Arc::clone(self), second.clone(), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await?;
                let earlier = second.prepare(&case).await?;
                let first = in_time(&case, scene.kill_a_worker(&case)).await?;
                let again = second.again(&case).await;
                Ok((case, Ended { earlier, first, again }))
            });
        }
        running.join_all().await.into_iter().collect()
    }

    async fn kill_a_worker(&self, case: &Case) -> Result<Option<Told>> {
        let proxy = StepProxy::start(self.server.address()).await?;
        case.arm(&proxy);
        let errand = self.errand(case, &proxy);
        loop {
            let mut worker = self.hire(&errand)?;
            let stops = tokio::select! {
                halted = proxy.halted() => Stops::At(halted),
                told = worker.told() => Stops::Told(told?.context("it ended")?),
            };
            let there = case.is_there(&proxy, stops).await?;
            worker.kill().await?;
            if there {
                return worker.told().await;
            }
        }
    }

    fn hire(&self, errand: &Errand) -> Result<Worker> {
        let mut child = Command::new(&self.program)
            .arg(ONCE)
            .arg(serde_json::to_string(errand)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting a worker")?;
        let orders = child.stdin.take().context("a worker's input")?;
        let out = BufReader::new(child.stdout.take().context("a worker's output")?);
        Ok(Worker { child, _orders: orders, out, line: Vec::new() })
    }

    /// All at once, when each of them is at its point.
    pub(super) async fn kill_the_server(
        &self,
        cases: Vec<Case>,
        second: &Second,
    ) -> Result<Vec<(Case, Ended)>> {
        let mut calls = Vec::new();
        for case in cases {
            let earlier = second.prepare(&case).await?;
            let proxy = StepProxy::start(self.server.address()).await?;
            case.arm(&proxy);
            let errand = self.errand(&case, &proxy);
            let call = errand.clone().spawn();
            calls.push((case, earlier, Going { proxy, errand, call, told: None }));
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
        let second = Second::of(self).await?;
        let mut ended = Vec::new();
        for (case, earlier, first) in told {
            let again = second.again(&case).await;
            ended.push((case, Ended { earlier, first, again }));
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
            return Ok(!matches!(stops, Stops::Told(Told::Failed(_))));
        };
        let halted = match stops {
            Stops::At(halted) => halted,
            // Its caller has all its answers.
            Stops::Told(_) if proxy.is_armed() => return Ok(false),
            Stops::Told(_) => proxy.halted().await,
        };
        // The number alone would not do: an attempt may send less than another.
        let (name, message) = (name(halted.step().statement()), halted.step().message());
        ensure!(name == Some(wanted.0) && message == wanted.1, "it came to {name:?}, {message}");
        Ok(true)
    }
}

impl Worker {
    /// The line that it wrote, if it came to that.
    async fn told(&mut self) -> Result<Option<Told>> {
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
                told = &mut self.call => Stops::Told(self.told.insert(told??).clone()),
            };
            if case.is_there(&self.proxy, stops).await? {
                return Ok(());
            }
            (self.call, self.told) = (self.errand.clone().spawn(), None);
        }
    }

    async fn ends(self) -> Result<Told> {
        match self.told {
            Some(told) => Ok(told),
            None => self.call.await?,
        }
    }
}
