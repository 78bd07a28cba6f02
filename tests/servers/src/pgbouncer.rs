//! `PgBouncer` in front of a PostgreSQL.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use crate::postgres::{Postgres, as_user};
use crate::program::Program;
use crate::server::Server;

/// A running `PgBouncer` on a free port of 127.0.0.1, which lends a connection of the server to a client for a
/// transaction: two transactions of a client are, as a rule, in two sessions. Dropping it stops it with `kill -9`.
///
/// ```no_run
/// # use idempotent_servers::{PgBouncer, Postgres};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let postgres = Postgres::start().await;
/// let pooler = PgBouncer::start(&postgres, 4).await;
/// println!("{}", pooler.url());
/// # }
/// ```
#[derive(Debug)]
pub struct PgBouncer(Program);

impl PgBouncer {
    /// Starts it with so many connections to `postgres`, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it is missing, cannot be started or ends at once, with its log.
    pub async fn start(postgres: &Postgres, connections: usize) -> PgBouncer {
        let server = postgres.address();
        let program = Program::start_in(|port, folder| {
            command(server, connections, port, folder).unwrap_or_else(|error| panic!("{error}"))
        });
        PgBouncer(program.await)
    }

    /// Where clients find the user and database `postgres`, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.0.address())
    }

    /// `kill -9`: clients lose their connections, and the server rolls back what was open.
    ///
    /// # Panics
    ///
    /// As [`Program::kill`].
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Starts it again on the same port, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not come back, with its log.
    pub async fn restart(&self) {
        self.0.restart().await;
    }
}

fn command(
    server: SocketAddr,
    connections: usize,
    port: u16,
    folder: &Path,
) -> Result<Vec<OsString>, String> {
    let file = folder.join("pgbouncer.ini");
    // The last line: drivers set it in their first message, and a session that is shared cannot have it.
    let text = format!(
        "[databases]\n\
         postgres = host={} port={} dbname=postgres user=postgres\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {connections}\n\
         max_client_conn = 500\n\
         max_prepared_statements = 200\n\
         ignore_startup_parameters = extra_float_digits\n",
        server.ip(),
        server.port(),
    );
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    // It refuses to be root.
    let mut command = as_user(folder)?;
    command.extend([Server::PgBouncer.path()?.into(), file.into()]);
    Ok(command)
}
