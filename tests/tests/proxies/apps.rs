//! Redis, and two apps with one ledger.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use idempotent_servers::{Program, Redis};
use tempfile::TempDir;

use crate::app::{Settings, TEST, VARIABLE};
use crate::ledger::{Event, Ledger};

pub(crate) struct Apps {
    all: [Program; 2],
    folder: TempDir,
    _redis: Redis,
}

pub(crate) struct Promise {
    pub(crate) at_most_once: bool,
    pub(crate) lease: Duration,
    pub(crate) wait: Option<Duration>,
}

impl Apps {
    pub(crate) async fn start(promise: &Promise) -> Apps {
        let (redis, folder) = (Redis::start().await, tempfile::tempdir().unwrap());
        let app = || Program::start(|port| command(port, &redis, folder.path(), promise));
        let all = [app().await, app().await];
        Apps { all, folder, _redis: redis }
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        self.all.each_ref().map(Program::address)
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        Ledger::read(self.folder.path())
    }

    /// Lets everybody through the gate of that name, from now on.
    pub(crate) fn open_gate(&self, name: &str) {
        Ledger::open_gate(self.folder.path(), name);
    }

    /// Starts apps again that killed themselves, until it is dropped.
    pub(crate) async fn revive(&self) {
        let [first, second] = &self.all;
        tokio::join!(first.revive(), second.revive());
    }
}

fn command(port: u16, redis: &Redis, folder: &Path, promise: &Promise) -> Vec<OsString> {
    let settings = Settings {
        port,
        redis: redis.url(),
        folder: folder.to_owned(),
        at_most_once: promise.at_most_once,
        lease: promise.lease,
        wait: promise.wait,
    };
    let settings = serde_json::to_string(&settings).unwrap();
    let program = std::env::current_exe().unwrap();
    let variable = format!("{VARIABLE}={settings}");
    let mut command: Vec<OsString> = vec!["env".into(), variable.into(), program.into()];
    command.extend([TEST, "--exact", "--ignored", "--nocapture"].map(OsString::from));
    command
}
