//! Apache, without the distribution's configuration.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use idempotent_servers::Server;

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "proxy",
    "proxy_http",
    "proxy_balancer",
    "lbmethod_byrequests",
    "slotmem_shm",
];

pub(super) fn command(port: u16, folder: &Path, [first, second]: [SocketAddr; 2]) -> Vec<OsString> {
    let (file, place) = (folder.join("apache.conf"), folder.display());
    let modules: String = MODULES
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    // Its workers share what they know of connections within one process, so one is enough. It serves
    // nothing as root. Mutexes of threads leave nothing behind in the kernel, however it ends.
    let text = format!(
        "{modules}
         ServerRoot {place}
         ServerName 127.0.0.1
         DefaultRuntimeDir {place}
         PidFile {place}/pid
         ErrorLog {place}/log
         Mutex pthread
         User nobody
         StartServers 1
         ServerLimit 1
         MaxRequestWorkers 25
         Listen 127.0.0.1:{port}
         <Proxy balancer://apps>
             BalancerMember http://{first}
             BalancerMember http://{second}
         </Proxy>
         ProxyPass / balancer://apps/
"
    );
    std::fs::write(&file, text).unwrap();
    let program = Server::Apache.find().unwrap();
    vec![program.into(), "-DFOREGROUND".into(), "-f".into(), file.into()]
}
