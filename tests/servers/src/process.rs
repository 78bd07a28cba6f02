//! A server's process: started, watched until it answers, killed, frozen, started again.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::folder::Folder;
use crate::guard::{Guard, quoted};

// Wide, since test machines are shared and slow at times; nothing waits it out but a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// For a server's start. RabbitMQ takes 6 seconds alone, and was seen to take more than 90 beside other builds and servers.
const STARTED_WITHIN: Duration = Duration::from_secs(240);

/// How often we look whether something has come about.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// One server's process in a folder of its own. Dropping it kills the server and removes the folder.
pub(crate) struct Process {
    what: &'static str,
    // Before the folder: the server goes first.
    state: Mutex<State>,
    folder: Folder,
}

struct State {
    pid: Option<Pid>,
    guard: Guard,
}

impl Process {
    /// Takes over `folder`. The server is not started yet.
    pub(crate) fn new(
        what: &'static str,
        folder: Folder,
        command: &[OsString],
    ) -> Result<Process, String> {
        Process::with_cleanup(what, folder, command, "")
    }

    /// As `new`; the guard runs the shell's `cleanup` in the folder before it removes that.
    pub(crate) fn with_cleanup(
        what: &'static str,
        folder: Folder,
        command: &[OsString],
        cleanup: &str,
    ) -> Result<Process, String> {
        let path = quoted(folder.path().as_os_str());
        let path = path.to_string_lossy();
        // The colon, since braces want something in them.
        let cleanup = format!("cd -- {path} && {{ :\n{cleanup}\n}}; cd /; rm -rf -- {path}");
        let cleanup = OsString::from(cleanup);
        let guard = Guard::new(command, &folder.path().join("output"), &cleanup)
            .map_err(|error| format!("cannot start the guard of {what}: {error}"))?;
        Ok(Process { what, folder, state: Mutex::new(State { pid: None, guard }) })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server and waits until `ready` says so.
    pub(crate) fn start(&self, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        {
            let mut state = self.state();
            if state.pid.is_some() {
                return Err(format!("{} runs already", self.what));
            }
            let pid = state.guard.start().map_err(|error| format!("{}: {error}", self.what))?;
            state.pid = Some(pid);
        }
        let deadline = Instant::now() + STARTED_WITHIN;
        while !ready() {
            if !self.is_running() {
                return Err(format!("{} ended at its start:\n{}", self.what, self.log()));
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{} does not answer after {STARTED_WITHIN:?}:\n{}",
                    self.what,
                    self.log()
                ));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The process id, also after its end; 0 when the server was killed by us.
    pub(crate) fn pid(&self) -> u32 {
        self.state().pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state().pid.is_some_and(|pid| !is_dead(pid))
    }

    /// `kill -9` for it and its children, and returns when they are gone. Nothing happens to a
    /// process that is gone already.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let mut state = self.state();
        let Some(pid) = state.pid else { return Ok(()) };
        // One that runs may have another child after the look at its children, which would live on and keep its port and its
        // shared memory.
        stand_still(pid);
        let mut family = children(pid);
        family.insert(0, pid);
        for &member in family.iter().filter(|member| !is_dead(**member)) {
            match kill_process(member, Signal::KILL) {
                // It went with its parent.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(format!("cannot kill {}: {error}", self.what)),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while !family.iter().all(|&member| is_dead(member)) {
            if Instant::now() > deadline {
                return Err(format!("{} does not end after {PATIENCE:?}", self.what));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        state.pid = None;
        state.guard.reap().map_err(|error| format!("{}: {error}", self.what))
    }

    /// Sends a signal to the running server.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let state = self.state();
        match state.pid {
            Some(pid) => kill_process(pid, signal)
                .map_err(|error| format!("cannot send {signal:?} to {}: {error}", self.what)),
            None => Err(format!("{} is not running", self.what)),
        }
    }

    /// What the server wrote, or the end of it.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        for name in ["output", "log"] {
            let bytes = std::fs::read(self.folder().join(name)).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4_000)..]));
        }
        text
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("what", &self.what)
            .field("pid", &self.pid())
            .field("folder", &self.folder)
            .finish()
    }
}

// Stops it, and returns once it stands still or is gone: the kernel only notes the signal at first. Gives up after a second;
// what follows works without it, too.
fn stand_still(pid: Pid) {
    if kill_process(pid, Signal::STOP).is_err() {
        return;
    }
    let deadline = Instant::now() + Duration::from_secs(1);
    while !matches!(state_of(pid), Some('T' | 't' | 'Z' | 'X') | None) && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(1));
    }
}

// Of all its threads.
fn children(pid: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let texts =
        threads.into_iter().flatten().flatten().map(|thread| {
            std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
        });
    let pids = |text: String| -> Vec<Pid> {
        text.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
    };
    texts.flat_map(pids).collect()
}

// Gone, or a zombie that its guard has not reaped.
fn is_dead(pid: Pid) -> bool {
    matches!(state_of(pid), Some('Z' | 'X') | None)
}

// As `/proc` has it: `None` once it is gone.
fn state_of(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next())
}

/// Waits until `done` says so; `what` is for the message when it never does.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(format!("waited {PATIENCE:?} in vain: {what}"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Runs a helper program to its end.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: &[A],
) -> Result<(), String> {
    let program = program.as_ref();
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} {}: {}", program.display(), arguments.join(" "), text.trim()))
}

/// Does what blocks where it may, and panics as it does.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => must(done),
        Err(error) => panic!("the runtime ends: {error}"),
    }
}

/// A harness that cannot do what a test asks for ends that test.
#[track_caller]
pub(crate) fn must<T>(done: Result<T, String>) -> T {
    match done {
        Ok(value) => value,
        Err(text) => panic!("{text}"),
    }
}
