//! Redis, two apps and the nginx in front of them.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use idempotent_servers::{Nginx, Program, Redis};
use tempfile::TempDir;

use crate::app::{Settings, TEST, VARIABLE};
use crate::ledger::{Event, Ledger};

pub(crate) struct Servers {
    pub(crate) nginx: Nginx,
    pub(crate) apps: [Program; 2],
    folder: TempDir,
    _redis: Redis,
}

pub(crate) struct Promise {
    pub(crate) at_most_once: bool,
    pub(crate) lease: Duration,
    pub(crate) wait: Option<Duration>,
}

impl Servers {
    /// nginx asks the second app when the first has not answered for `patience`.
    pub(crate) async fn start(promise: &Promise, patience: Duration) -> Servers {
        let (redis, folder) = (Redis::start().await, tempfile::tempdir().unwrap());
        let app = || Program::start(|port| command(port, &redis, folder.path(), promise));
        let apps = [app().await, app().await];
        // Apps that failed are asked again at once: here they come back.
        let servers: String =
            apps.iter().map(|app| format!("server {} max_fails=0;\n", app.address())).collect();
        let patience = patience.as_millis();
        let nginx = Nginx::start(|port| {
            format!(
                "upstream shop {{ {servers} }}
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{
                         proxy_pass http://shop;
                         proxy_read_timeout {patience}ms;
                         proxy_next_upstream error timeout http_502 non_idempotent;
                     }}
                 }}"
            )
        })
        .await;
        Servers { nginx, apps, folder, _redis: redis }
    }

    pub(crate) fn url(&self, order: u32) -> String {
        format!("{}/orders/{order}", self.nginx.url())
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        Ledger::read(self.folder.path())
    }

    /// Starts apps again that killed themselves, until it is dropped.
    pub(crate) async fn revive(&self) {
        let [first, second] = &self.apps;
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
