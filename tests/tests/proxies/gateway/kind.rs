//! Which proxies there are, and one that runs.

use std::net::SocketAddr;

use idempotent_servers::{Nginx, Program};

use super::{apache, caddy, haproxy, traefik};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Haproxy,
    Apache,
    Caddy,
    Traefik,
    /// With kept connections to the apps, which others have by default.
    Nginx,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) enum Gateway {
    Program(Program),
    Nginx(Nginx),
}

impl Gateway {
    pub(crate) async fn start(kind: Kind, apps: [SocketAddr; 2]) -> Gateway {
        let command = match kind {
            Kind::Haproxy => haproxy::command,
            Kind::Apache => apache::command,
            Kind::Caddy => caddy::command,
            Kind::Traefik => traefik::command,
            Kind::Nginx => return Gateway::Nginx(nginx(apps).await),
        };
        Gateway::Program(Program::start_in(|port, folder| command(port, folder, apps)).await)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Gateway::Program(program) => program.address(),
            Gateway::Nginx(nginx) => nginx.address(),
        }
    }

    /// What it said, for a test that fails.
    pub(crate) fn log(&self) -> String {
        match self {
            Gateway::Program(program) => program.log(),
            Gateway::Nginx(nginx) => nginx.log(),
        }
    }
}

async fn nginx([first, second]: [SocketAddr; 2]) -> Nginx {
    Nginx::start(|port| {
        format!(
            "upstream apps {{ server {first}; server {second}; keepalive 8; }}
             server {{
                 listen 127.0.0.1:{port};
                 location / {{
                     proxy_pass http://apps;
                     proxy_http_version 1.1;
                     proxy_set_header Connection \"\";
                 }}
             }}"
        )
    })
    .await
}
