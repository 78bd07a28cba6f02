//! Two apps and the nginx in front of them.

use std::time::Duration;

use idempotent_servers::Nginx;

use crate::apps::{Apps, Promise};
use crate::ledger::Event;

pub(super) struct Servers {
    nginx: Nginx,
    apps: Apps,
}

impl Servers {
    /// nginx asks the second app when the first has not answered for `patience`.
    pub(super) async fn start(promise: &Promise, patience: Duration) -> Servers {
        let apps = Apps::start(promise).await;
        // Apps that failed are asked again at once: here they come back.
        let servers: String = apps
            .addresses()
            .iter()
            .map(|address| format!("server {address} max_fails=0;\n"))
            .collect();
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
        Servers { nginx, apps }
    }

    pub(super) fn url(&self, order: u32) -> String {
        format!("{}/orders/{order}", self.nginx.url())
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.apps.events()
    }

    /// Starts apps again that killed themselves, until it is dropped.
    pub(super) async fn revive(&self) {
        self.apps.revive().await;
    }
}
