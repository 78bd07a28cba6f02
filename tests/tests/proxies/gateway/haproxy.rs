//! HAProxy.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use idempotent_servers::Server;

pub(super) fn command(port: u16, folder: &Path, [first, second]: [SocketAddr; 2]) -> Vec<OsString> {
    let file = folder.join("haproxy.cfg");
    let text = format!(
        "defaults
            mode http
            timeout connect 10s
            timeout client 60s
            timeout server 60s
         frontend shop
            bind 127.0.0.1:{port}
            default_backend apps
         backend apps
            balance roundrobin
            server first {first}
            server second {second}
"
    );
    std::fs::write(&file, text).unwrap();
    let program = Server::Haproxy.find().unwrap();
    vec![program.into(), "-db".into(), "-f".into(), file.into()]
}
