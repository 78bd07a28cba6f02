//! [`Launcher`]: starts the processes of a run.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::{Child, Command};

use super::judge::{self, Findings};
use super::order::Code;
use super::worker::{Assignment, Task};
use super::{Settings, WORKER};
use crate::servers::Servers;
use crate::worker::StoreSettings;

/// How long a call of the store may take.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// A run that takes longer stands still.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the processes of a run.
#[derive(Clone)]
pub(super) struct Launcher<'a> {
    settings: &'a Settings,
    servers: &'a Servers,
    folder: &'a Path,
    step_patience: Duration,
}

impl<'a> Launcher<'a> {
    pub(super) fn new(settings: &'a Settings, servers: &'a Servers, folder: &'a Path) -> Self {
        Self { settings, servers, folder, step_patience: Duration::from_secs(5) }
    }

    /// Of processes in which a step that the journal does not know waits only so long for those that it does.
    pub(super) fn step_patience(mut self, patience: Duration) -> Self {
        self.step_patience = patience;
        self
    }

    pub(super) fn start(&self, process: u32, code: Code, task: Task) -> Result<Child> {
        let assignment = Assignment {
            process,
            store_settings: StoreSettings {
                endpoint: self.servers.endpoint(),
                min_replicas: self.settings.min_replicas,
                timeout: STORE_TIMEOUT,
            },
            lease: self.settings.lease,
            folder: self.folder.to_owned(),
            code,
            step_patience: self.step_patience,
            task,
        };
        let log = File::create(self.folder.join(format!("log-{process}")))?;
        let mut command: Command = self.servers.command(&self.settings.program);
        command.arg(WORKER).arg(serde_json::to_string(&assignment)?);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command.spawn().context("starting a worker")
    }

    /// Starts the judge, and waits for what it finds.
    pub(super) async fn judge(&self, process: u32, code: Code, task: Task) -> Result<Findings> {
        let mut judge = self.start(process, code, task)?;
        let status = tokio::time::timeout(PATIENCE * 3, judge.wait()).await;
        let status = status.context("the judge does not end")??;
        ensure!(status.success(), "the judge failed");
        Ok(serde_json::from_slice(&fs::read(judge::path(self.folder))?)?)
    }

    /// What the processes have said, for a run that failed.
    pub(super) fn logs(&self) -> String {
        let mut text = String::new();
        for file in fs::read_dir(self.folder).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("log-") {
                text.push_str(&fs::read_to_string(file.path()).unwrap_or_default());
            }
        }
        text
    }
}
