//! Traefik. Its dashboard and API are off unless somebody asks for them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use idempotent_servers::Server;

pub(super) fn command(port: u16, folder: &Path, [first, second]: [SocketAddr; 2]) -> Vec<OsString> {
    let (file, routes) = (folder.join("traefik.yml"), folder.join("routes.yml"));
    let text = format!(
        r#"
entryPoints: {{ web: {{ address: "127.0.0.1:{port}" }} }}
providers: {{ file: {{ filename: "{routes}", watch: false }} }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
"#,
        routes = routes.display()
    );
    std::fs::write(&file, text).unwrap();
    let text = format!(
        r#"
http:
  routers: {{ shop: {{ rule: "PathPrefix(`/`)", service: apps }} }}
  services:
    apps: {{ loadBalancer: {{ servers: [{{ url: "http://{first}" }}, {{ url: "http://{second}" }}] }} }}
"#
    );
    std::fs::write(&routes, text).unwrap();
    let mut configuration = OsString::from("--configfile=");
    configuration.push(file);
    vec![Server::Traefik.find().unwrap().into(), configuration]
}
