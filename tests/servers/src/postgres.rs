//! A PostgreSQL server with a database cluster of its own.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::controls::controls;
use crate::folder::Folder;
use crate::pg;
use crate::port::Port;
use crate::process::{Process, blocking, run};
use crate::server::Server;
use crate::tls::{self, Certificate};

const ANSWER: Duration = Duration::from_secs(10);

// A server that is killed leaves a block of shared memory; its pid file says which.
const CLEANUP: &str = "id=$(sed -n '7s/.* //p' data/postmaster.pid) && ipcrm -m \"$id\"";

/// Which PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostgresVersion {
    /// The distribution's: 15 on Debian 12.
    #[default]
    Distribution,
    /// 18.
    V18,
}

impl PostgresVersion {
    /// What a test that starts it has to [`require!`](crate::require).
    #[must_use]
    pub fn server(self) -> Server {
        match self {
            PostgresVersion::Distribution => Server::Postgres,
            PostgresVersion::V18 => Server::Postgres18,
        }
    }
}

/// A running server on a free port of 127.0.0.1, whose user and database `postgres` need no
/// password. Dropping it stops it with `kill -9` and removes its data.
///
/// ```no_run
/// # use idempotent_servers::Postgres;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let postgres = Postgres::start().await;
/// postgres.sql("CREATE TABLE orders (id int)").await;
/// postgres.kill();
/// postgres.restart().await;
/// assert!(postgres.sql("SELECT id FROM orders").await.is_empty());
/// # }
/// ```
#[derive(Debug)]
pub struct Postgres {
    // Before the port, which is given back when the server is gone.
    process: Arc<Process>,
    port: Port,
}

/// How a [`Postgres`] is to be started; from [`Postgres::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PostgresBuilder {
    version: PostgresVersion,
    fsync: bool,
    primary: Option<u16>,
    certificate: Option<Certificate>,
    settings: Vec<(String, String)>,
}

impl PostgresBuilder {
    /// Which version. Default: the distribution's.
    pub fn version(mut self, version: PostgresVersion) -> PostgresBuilder {
        self.version = version;
        self
    }

    /// Whether commits wait for the disk. Without, they outlive the server and not the machine.
    /// Default: no.
    pub fn fsync(mut self, fsync: bool) -> PostgresBuilder {
        self.fsync = fsync;
        self
    }

    /// A standby of `primary`, which is of the same version and ready for it as it is: it begins with
    /// a copy, follows what is committed there, and can be read from. The distribution's version only,
    /// since 18's package lacks `pg_basebackup`.
    pub fn standby_of(mut self, primary: &Postgres) -> PostgresBuilder {
        self.primary = Some(primary.port());
        self
    }

    /// The server offers TLS, with this certificate from an authority of its own, in
    /// [`Postgres::tls_folder`]. Needs [`Server::OpenSsl`].
    pub fn tls_with(mut self, certificate: Certificate) -> PostgresBuilder {
        self.certificate = Some(certificate);
        self
    }

    /// A setting as in `postgresql.conf`: `.arg("max_connections", "300")`.
    pub fn arg(mut self, name: &str, value: &str) -> PostgresBuilder {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts the server, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When the server is missing, does not take its settings or does not answer, with its log.
    pub async fn start(self) -> Postgres {
        blocking(move || self.start_blocking()).await
    }

    fn start_blocking(self) -> Result<Postgres, String> {
        let programs = self.version.server().path()?;
        let folder = Folder::new()?;
        let port = Port::reserve()?;
        let data = folder.path().join("data");
        let user = as_user(folder.path())?;
        if let Some(certificate) = self.certificate {
            tls::create(folder.path(), certificate)?;
            as_user(&folder.path().join("server.key"))?;
        }
        let mut filling = user.clone();
        filling.extend(self.filling(&programs, &data));
        run(&filling[0], &filling[1..])?;
        let mut command = user;
        command.extend([programs.join("postgres").into(), "-D".into(), data.into()]);
        for (name, value) in self.settings(folder.path(), port.number()) {
            command.extend(["-c".into(), format!("{name}={value}").into()]);
        }
        let process = Process::with_cleanup("postgres", folder, &command, CLEANUP)?;
        let postgres = Postgres { process: Arc::new(process), port };
        start(&postgres.process, postgres.address())?;
        Ok(postgres)
    }

    // What fills the folder of the data.
    fn filling(&self, programs: &Path, data: &Path) -> Vec<OsString> {
        let words = match self.primary {
            Some(port) => format!(
                "pg_basebackup -h 127.0.0.1 -p {port} -U postgres -R -X stream -c fast --no-sync -D"
            ),
            None => "initdb -A trust -U postgres -E UTF8 --locale=C --no-sync -D".to_string(),
        };
        let mut command: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        command[0] = programs.join(&command[0]).into();
        command.push(data.into());
        command
    }

    // The last of two equal names counts.
    fn settings(&self, folder: &Path, port: u16) -> Vec<(String, String)> {
        let fsync = if self.fsync { "on" } else { "off" };
        let own = [
            ("listen_addresses", Ipv4Addr::LOCALHOST.to_string()),
            ("port", port.to_string()),
            ("unix_socket_directories", folder.display().to_string()),
            ("fsync", fsync.into()),
            // In the folder, and not in /dev/shm, where it would stay.
            ("dynamic_shared_memory_type", "mmap".into()),
        ];
        let tls = [
            ("ssl", "on".to_string()),
            ("ssl_cert_file", folder.join("server.crt").display().to_string()),
            ("ssl_key_file", folder.join("server.key").display().to_string()),
        ];
        let tls = tls.into_iter().filter(|_| self.certificate.is_some());
        let own = own.into_iter().chain(tls).map(|(name, value)| (name.to_string(), value));
        own.chain(self.settings.iter().cloned()).collect()
    }
}

impl Postgres {
    /// Starts the distribution's PostgreSQL with `fsync` off, and waits until it answers.
    ///
    /// # Panics
    ///
    /// As [`PostgresBuilder::start`].
    pub async fn start() -> Postgres {
        Postgres::builder().start().await
    }

    /// A server with settings.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Where clients find it: `postgres://postgres@127.0.0.1:21000/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL through a proxy at `address`.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    /// The address in [`url`](Postgres::url). It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// The port in [`url`](Postgres::url).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of its Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.process.folder()
    }

    /// Where the certificates are: `ca.crt` is that of the authority.
    #[must_use]
    pub fn tls_folder(&self) -> &Path {
        self.process.folder()
    }

    /// `kill -9` if it runs, then starts it again on the same port with its data and settings, and
    /// waits until it has recovered.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub async fn restart(&self) {
        let (process, address) = (Arc::clone(&self.process), self.address());
        blocking(move || {
            process.kill()?;
            start(&process, address)
        })
        .await;
    }

    /// Runs statements on a connection of their own, and gives all their rows; `None` is NULL.
    ///
    /// # Panics
    ///
    /// When the server refuses them, or cannot be asked.
    pub async fn sql(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        match self.try_sql(statements).await {
            Ok(rows) => rows,
            Err(error) => panic!("{statements}: {error}"),
        }
    }

    /// As [`sql`](Postgres::sql), for servers that may be down.
    ///
    /// # Errors
    ///
    /// When the server refuses (`42P01 relation … does not exist`), there is no connection, or no
    /// answer for 10 seconds.
    pub async fn try_sql(&self, statements: &str) -> io::Result<Vec<Vec<Option<String>>>> {
        let (address, statements) = (self.address(), statements.to_string());
        blocking(move || Ok(pg::query(address, ANSWER, &statements))).await
    }

    controls!(|postgres| postgres.process);
}

fn start(process: &Process, address: SocketAddr) -> Result<(), String> {
    process.start(|| pg::query(address, ANSWER, "").is_ok())
}

// PostgreSQL refuses to run as root: root runs it as Debian's user, who then owns the folder.
pub(crate) fn as_user(folder: &Path) -> Result<Vec<OsString>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Vec::new());
    }
    run("chown", &["postgres".as_ref(), folder.as_os_str()])?;
    // Changing the user cancels the guard's own order to die with it.
    let words = "setpriv --reuid=postgres --regid=postgres --clear-groups --pdeathsig=KILL --";
    Ok(words.split(' ').map(OsString::from).collect())
}
