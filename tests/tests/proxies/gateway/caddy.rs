//! Caddy.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use idempotent_servers::Server;

pub(super) fn command(port: u16, folder: &Path, [first, second]: [SocketAddr; 2]) -> Vec<OsString> {
    let file = folder.join("Caddyfile");
    let text = format!(
        "{{
            admin off
            auto_https off
            persist_config off
         }}
         http://127.0.0.1:{port} {{
            bind 127.0.0.1
            reverse_proxy {first} {second} {{
                lb_policy round_robin
            }}
         }}
"
    );
    std::fs::write(&file, text).unwrap();
    let mut command: Vec<OsString> = vec!["env".into()];
    for variable in ["XDG_DATA_HOME=", "XDG_CONFIG_HOME="] {
        let mut assignment = OsString::from(variable);
        assignment.push(folder);
        command.push(assignment);
    }
    command.extend([Server::Caddy.find().unwrap().into(), "run".into(), "--config".into()]);
    command.push(file.into());
    command.extend(["--adapter", "caddyfile"].map(OsString::from));
    command
}
