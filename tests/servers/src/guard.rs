//! The guard of one server: a small shell that starts it, and that outlives us only to clean up.
//!
//! The shell reads its orders from a pipe that we hold. However we end (handle dropped, panic,
//! `kill -9`), the kernel closes that pipe, and the shell kills the server and removes what the
//! server left. Should somebody kill the shell, the kernel kills the server in its place
//! (`setpriv --pdeathsig`; that signal is bound to the thread that forks, and a shell has one).

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Pid;

// A session of its own, since the kernel hangs up on a process group in which something is stopped
// when its owner ends: the guard of a frozen server would be gone before it cleaned up.
// With the server go its children, which some servers have, so that none of them is left to write.
// The server stays a zombie until `wait` is ordered, so that its pid cannot become another's while
// we may still send a signal to it.
const SCRIPT: &str = r#"
log=$1 cleanup=$2 server=
shift 2
while read -r order; do
    case $order in
        start)
            setpriv --pdeathsig KILL -- setsid "$@" </dev/null >>"$log" 2>&1 &
            server=$!
            echo "$server"
            ;;
        wait)
            wait "$server" 2>/dev/null
            echo "$?"
            server=
            ;;
    esac
done
if [ -n "$server" ]; then
    # Stopped, it has no child after the look at its children.
    kill -STOP "$server"
    children=
    read -r children <"/proc/$server/task/$server/children"
    kill -KILL "$server" $children
    wait "$server"
fi 2>/dev/null
eval "$cleanup" 2>/dev/null
"#;

/// Dropping it kills the server, removes what it left, and returns when that is done.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// Guards a server that is not started yet: its `command` line, where its output goes, and the
    /// shell command that cleans up after it.
    pub(crate) fn new(command: &[OsString], log: &Path, cleanup: &OsStr) -> io::Result<Guard> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "idempotent-servers"])
            .arg(log)
            .arg(cleanup)
            .args(command)
            .current_dir("/")
            // Ctrl-C is for us; the guard learns of it when we are gone.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = shell.stdin.take();
        let answers = shell.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Guard { shell, orders, answers: BufReader::new(answers) })
    }

    /// Starts the server, which must not be running.
    pub(crate) fn start(&mut self) -> io::Result<Pid> {
        let pid = self.order("start")?;
        Pid::from_raw(pid).ok_or_else(|| io::Error::other("the guard answered with no pid"))
    }

    /// Reaps the server, which was killed.
    pub(crate) fn reap(&mut self) -> io::Result<()> {
        self.order("wait").map(|_| ())
    }

    fn order(&mut self, order: &str) -> io::Result<i32> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(orders, "{order}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        answer.trim().parse().map_err(|_| io::Error::other("the server's guard is gone"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// `text` as one word of a shell command.
pub(crate) fn quoted(text: &OsStr) -> OsString {
    let text = text.to_string_lossy();
    OsString::from(format!("'{}'", text.replace('\'', r"'\''")))
}
