//! Chromium without a window, and the pipes over which it is driven. What is said over them, the
//! `DevTools` protocol, is the tests' matter.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use crate::controls::controls;
use crate::folder::Folder;
use crate::process::{Process, blocking, run};
use crate::server::Server;

/// A running Chromium with a profile of its own, which no page outlives. Dropping it stops it with
/// `kill -9` and removes the profile.
///
/// ```no_run
/// # use idempotent_servers::Chromium;
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut chromium = Chromium::start().await;
/// chromium.commands.write_all(b"{\"id\":1,\"method\":\"Browser.getVersion\"}\0").await?;
/// let mut answer = vec![0; 1024];
/// let length = chromium.answers.read(&mut answer).await?;
/// println!("{}", String::from_utf8_lossy(&answer[..length]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Chromium {
    /// Takes messages of the `DevTools` protocol, JSON texts, each with a zero byte behind it.
    pub commands: Sender,
    /// Gives answers and events, in the same form.
    pub answers: Receiver,
    process: Process,
}

impl Chromium {
    /// Starts it with no page open. It reads commands as soon as it can.
    ///
    /// # Panics
    ///
    /// When it is missing or cannot be started, with its log.
    pub async fn start() -> Chromium {
        let folder = blocking(|| {
            let folder = Folder::new()?;
            run("mkfifo", &PIPES.map(|name| folder.path().join(name)))?;
            Ok(folder)
        })
        .await;
        let pipes = pipes(folder.path());
        blocking(move || {
            let (commands, answers) = pipes.map_err(|error| format!("its pipes: {error}"))?;
            let command = command(folder.path())?;
            let process = Process::new("Chromium", folder, &command)?;
            process.start(|| true)?;
            Ok(Chromium { commands, answers, process })
        })
        .await
    }

    controls!(|chromium| chromium.process);
}

const PIPES: [&str; 2] = ["commands", "answers"];

// Opened for both directions, so that neither side waits until the other has opened its end.
fn pipes(folder: &Path) -> io::Result<(Sender, Receiver)> {
    let mut options = OpenOptions::new();
    options.read_write(true);
    let [commands, answers] = PIPES.map(|name| folder.join(name));
    Ok((options.open_sender(commands)?, options.open_receiver(answers)?))
}

// The shell gives it the pipes as the descriptors that it wants, and becomes it.
fn command(path: &Path) -> Result<Vec<OsString>, String> {
    let mut profile = OsString::from("--user-data-dir=");
    profile.push(path.join("profile"));
    let mut command: Vec<OsString> = vec!["sh".into(), "-c".into()];
    command.push(r#"exec "$@" 3<"$0/commands" 4>"$0/answers""#.into());
    command.extend([path.into(), Server::Chromium.path()?.into(), profile]);
    let flags = [
        "--remote-debugging-pipe",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-crash-reporter",
        "--disable-sync",
        "--hide-scrollbars",
    ];
    command.extend(flags.map(OsString::from));
    Ok(command)
}
