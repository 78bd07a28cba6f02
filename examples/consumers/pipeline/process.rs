//! Processes of this same program: a role each, killed and started again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::Failure;

/// Ends when the process that started this one closes its input, or is gone. A service waits for SIGTERM here.
pub(crate) async fn told_to_stop() {
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    let _ = stopped.await;
}

/// A process that has a role, and what its predecessors and it have said.
pub(crate) struct Process {
    role: &'static str,
    arguments: Vec<String>,
    child: Child,
    said: Said,
}

/// What processes have said: how often which line, and the last one.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<(BTreeMap<String, u32>, String)>>);

impl Said {
    pub(crate) fn lines(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(crate) fn last(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn note(&self, line: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *said.0.entry(line.clone()).or_default() += 1;
        said.1 = line;
    }
}

impl Process {
    pub(crate) fn start(
        role: &'static str,
        arguments: &[&str],
        said: &Said,
    ) -> Result<Self, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let child = spawn(role, &arguments, said)?;
        Ok(Self { role, arguments, child, said: said.clone() })
    }

    /// Kills it with -9, and starts another one in its place.
    pub(crate) fn replace(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(self.role, &self.arguments, &self.said)?;
        Ok(())
    }

    /// Starts another one if it has ended by itself, as the platform would that runs it.
    pub(crate) fn revive(&mut self) -> Result<(), Failure> {
        if self.child.try_wait()?.is_some() {
            self.child = spawn(self.role, &self.arguments, &self.said)?;
        }
        Ok(())
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.role).into()) }
    }
}

fn spawn(role: &str, arguments: &[String], said: &Said) -> Result<Child, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(role)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("a process has no output")?;
    let said = said.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            said.note(line);
        }
    });
    Ok(child)
}
