//! RabbitMQ, one node.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::controls::controls;
use crate::folder::Folder;
use crate::port::{BUS, Port};
use crate::process::{Process, blocking};
use crate::server::Server;
use crate::tls::{self, Certificate};

const ANSWER: Duration = Duration::from_secs(5);
const GREETING: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// A running RabbitMQ node on a free port of 127.0.0.1, without plugins. Dropping it stops it with `kill -9` and removes its
/// queues.
///
/// ```no_run
/// # use idempotent_servers::RabbitMq;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let rabbitmq = RabbitMq::start().await;
/// println!("{}", rabbitmq.url());
/// # }
/// ```
#[derive(Debug)]
pub struct RabbitMq {
    // Before the ports, which are given back when the server is gone.
    process: Arc<Process>,
    environment: Arc<Vec<(&'static str, String)>>,
    program: PathBuf,
    port: Port,
    tls: Option<Port>,
    _names: Port,
}

impl RabbitMq {
    /// Starts the node, and waits until it takes connections.
    ///
    /// # Panics
    ///
    /// When the server is missing or does not answer, with its log.
    pub async fn start() -> RabbitMq {
        blocking(|| RabbitMq::start_blocking(false)).await
    }

    /// The same with TLS on a port of its own, beside the one without. There it demands a certificate of the client from
    /// the authority in [`tls_folder`](RabbitMq::tls_folder), from which its own one is, too. Needs [`Server::OpenSsl`].
    ///
    /// # Panics
    ///
    /// As [`start`](RabbitMq::start).
    pub async fn start_with_tls() -> RabbitMq {
        blocking(|| RabbitMq::start_blocking(true)).await
    }

    fn start_blocking(has_tls: bool) -> Result<RabbitMq, String> {
        let program = Server::RabbitMq.path()?;
        let folder = Folder::new()?;
        let (port, names) = (Port::reserve()?, Port::reserve()?);
        let mut settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlog.console = true\nlog.file = false\n",
            port.number()
        );
        let tls = if has_tls { Some(Port::reserve()?) } else { None };
        if let Some(tls) = &tls {
            let folder = tls::create(folder.path(), Certificate::Valid)?;
            settings.push_str(&tls_settings(folder, tls.number()));
        }
        std::fs::write(folder.path().join("rabbitmq.conf"), settings)
            .map_err(|error| format!("cannot write rabbitmq.conf: {error}"))?;
        let environment = environment(folder.path(), &port, &names);
        let mut command: Vec<OsString> = vec!["env".into()];
        command.extend(environment.iter().map(|(name, value)| format!("{name}={value}").into()));
        // The daemon for names is a child, and goes with the server. Started by the server, it would stay behind.
        let script = "setpriv --pdeathsig KILL epmd -address 127.0.0.1 -port \"$ERL_EPMD_PORT\" & exec \"$0\"";
        command.extend(["sh".into(), "-c".into(), script.into(), program.clone().into()]);
        let process = Arc::new(Process::new("rabbitmq-server", folder, &command)?);
        let environment = Arc::new(environment);
        let rabbitmq = RabbitMq { process, environment, program, port, tls, _names: names };
        start(&rabbitmq.process, rabbitmq.address())?;
        Ok(rabbitmq)
    }

    /// Where clients find it: `amqp://guest:guest@127.0.0.1:21000/%2f`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address())
    }

    /// Where clients with TLS find it: `amqps://guest:guest@127.0.0.1:21001/%2f`. At 127.0.0.2 it is there, too, and its
    /// certificate is not for that.
    ///
    /// # Panics
    ///
    /// If it was started without.
    #[must_use]
    pub fn tls_url(&self) -> String {
        let port = self.tls.as_ref().expect("the server was started without TLS").number();
        format!("amqps://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// Where the certificates are: `ca.crt` is that of the authority, `client.crt` and `client.key` are a client's.
    #[must_use]
    pub fn tls_folder(&self) -> &Path {
        self.process.folder()
    }

    /// The address in [`url`](RabbitMq::url). It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// `kill -9` if it runs, then starts it again on the same port with the queues it had on the disk, and waits until
    /// it takes connections.
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

    /// Runs `rabbitmqctl` with these words, which takes some seconds, and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn ctl(&self, words: &[&str]) -> String {
        let program = self.program.with_file_name("rabbitmqctl");
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let environment = Arc::clone(&self.environment);
        blocking(move || {
            let mut command = Command::new(program);
            command.args(words).envs(environment.iter().map(|(name, value)| (name, value)));
            let ran = command.output().map_err(|error| format!("rabbitmqctl: {error}"))?;
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            let why = String::from_utf8_lossy(&ran.stderr).into_owned();
            if ran.status.success() { Ok(text) } else { Err(format!("rabbitmqctl: {text}{why}")) }
        })
        .await
    }

    controls!(|rabbitmq| rabbitmq.process);
}

fn tls_settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nlisteners.ssl.2 = 127.0.0.2:{port}\n\
         ssl_options.cacertfile = {folder}/ca.crt\nssl_options.certfile = {folder}/server.crt\n\
         ssl_options.keyfile = {folder}/server.key\nssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = true\n"
    )
}

/// What makes a node of its own: its name, its folders, and its daemon for names.
fn environment(folder: &Path, port: &Port, names: &Port) -> Vec<(&'static str, String)> {
    let within = |name: &str| folder.join(name).display().to_string();
    vec![
        // The start script becomes the server, and does not wait for it.
        ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ("ERL_EPMD_PORT", names.number().to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_DIST_PORT", (port.number() + BUS).to_string()),
        ("RABBITMQ_NODENAME", format!("idempotent{}@localhost", port.number())),
        ("RABBITMQ_MNESIA_BASE", within("mnesia")),
        ("RABBITMQ_LOG_BASE", within("logs")),
        ("RABBITMQ_CONFIG_FILE", within("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", within("none.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", within("plugins")),
        ("RABBITMQ_PID_FILE", within("pid")),
        // Quorum queues tell how many messages they have once a second. The default is five.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-rabbit quorum_tick_interval 1000".to_owned()),
        // Where the nodes' shared secret is.
        ("HOME", folder.display().to_string()),
    ]
}

fn start(process: &Process, address: SocketAddr) -> Result<(), String> {
    process.start(|| {
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let mut frame = [0; 1];
        stream.set_read_timeout(Some(ANSWER)).is_ok()
            && stream.write_all(GREETING).is_ok()
            && stream.read_exact(&mut frame).is_ok()
            // A method frame. Another version is answered by that version's name.
            && frame == [1]
    })
}
