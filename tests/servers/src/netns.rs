//! Network namespaces, thrown away after use: each node has an address of its own in it, and the
//! network between two of them can be cut.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cluster::{Cluster, ClusterBuilder};
use crate::folder;
use crate::guard::Guard;
use crate::process::{blocking, must, run};
use crate::server::Server;

const FOLDER: &str = "/run/netns";
// As everywhere: with addresses of their own, nodes need no ports of their own.
const PORT: u16 = 6379;
const FIRST: u8 = 11;

static SWEPT: Once = Once::new();

/// A network namespace with nothing but loopback addresses. Needs [`Server::Namespaces`]; dropping
/// it and all that runs in it removes it.
///
/// ```no_run
/// # use idempotent_servers::Namespace;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let namespace = Namespace::create().await;
/// let cluster = namespace.cluster(3, 1).start().await;
/// let ip = |node: usize| cluster.node(node).address().ip();
/// let others: Vec<_> = (1..6).map(ip).collect();
///
/// namespace.cut(&[ip(0)], &others);
/// let elected = cluster.wait_for_new_master(0).await;
/// namespace.heal();
/// cluster.wait_until_whole().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Namespace {
    space: Arc<Space>,
}

impl Namespace {
    /// Creates a namespace. Those of processes that are gone are removed.
    ///
    /// # Panics
    ///
    /// When this is not root, or the kernel or `iptables` does not play along.
    pub async fn create() -> Namespace {
        let space = blocking(Space::create).await;
        Namespace { space: Arc::new(space) }
    }

    /// Its name, for `ip netns exec`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.space.name
    }

    /// A cluster whose nodes live in here, each at port 6379 of an address of its own. Its handle
    /// works from outside, its URLs only from inside: [`command`](Namespace::command),
    /// [`run`](Namespace::run).
    pub fn cluster(&self, masters: usize, replicas_per_master: usize) -> ClusterBuilder {
        Cluster::builder(masters, replicas_per_master).inside(Arc::clone(&self.space))
    }

    /// The address that clients in here have, as the nodes see them.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    /// A command that runs `program` in here, to add arguments to. Its pid is the program's.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let words = self.space.enter();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }

    /// Runs a future in here, on a tokio runtime of its own whose threads are all inside, and gives
    /// what it comes to.
    ///
    /// # Panics
    ///
    /// When the future does.
    pub async fn run<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let space = Arc::clone(&self.space);
        blocking(move || {
            space.inside(|| {
                // Threads are born where their parent is.
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .map_err(|error| format!("no runtime: {error}"))?;
                Ok(runtime.block_on(work()))
            })?
        })
        .await
    }

    /// From now on nothing goes through between addresses of `left` and of `right`, in no
    /// direction, on open connections neither. Cuts add up.
    ///
    /// # Panics
    ///
    /// When `iptables` refuses.
    pub fn cut(&self, left: &[IpAddr], right: &[IpAddr]) {
        must(self.space.drop_packets(left, right));
        must(self.space.drop_packets(right, left));
    }

    /// Undoes all cuts.
    ///
    /// # Panics
    ///
    /// When `iptables` refuses.
    pub fn heal(&self) {
        must(self.space.iptables(&["-F", "INPUT"]));
    }
}

/// The namespace itself, which lives as long as something in it.
#[derive(Debug)]
pub(crate) struct Space {
    name: String,
    iptables: PathBuf,
    next: AtomicU8,
    file: File,
    _guard: Guard,
}

impl Space {
    fn create() -> Result<Space, String> {
        let iptables = Server::Namespaces.path()?;
        SWEPT.call_once(sweep);
        let name = folder::name();
        // Before the namespace, so that it has never none.
        let cleanup = OsString::from(format!("ip netns del {name}"));
        let guard = Guard::new(&[], "/dev/null".as_ref(), &cleanup)
            .map_err(|error| format!("cannot start the guard of a namespace: {error}"))?;
        run("ip", &["netns", "add", &name])?;
        run("ip", &["-n", &name, "link", "set", "lo", "up"])?;
        let file = File::open(format!("{FOLDER}/{name}"))
            .map_err(|error| format!("cannot open namespace {name}: {error}"))?;
        let space = Space { name, iptables, next: AtomicU8::new(FIRST), file, _guard: guard };
        space.iptables(&["-L", "-n"])?;
        Ok(space)
    }

    /// The next free address in it.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        match self.next.fetch_add(1, Ordering::Relaxed) {
            last @ FIRST..=254 => Ok(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), PORT))),
            _ => Err("this namespace has no address left".into()),
        }
    }

    /// What to put before a command line.
    pub(crate) fn enter(&self) -> [OsString; 3] {
        ["nsenter".into(), format!("--net={FOLDER}/{}", self.name).into(), "--".into()]
    }

    /// Does something on a thread that is inside. A socket stays where it was opened.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, String> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                    .map_err(|error| format!("cannot enter namespace {}: {error}", self.name))?;
                Ok(work())
            });
            match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn drop_packets(&self, from: &[IpAddr], to: &[IpAddr]) -> Result<(), String> {
        let list =
            |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        self.iptables(&["-A", "INPUT", "-s", &list(from), "-d", &list(to), "-j", "DROP"])
    }

    fn iptables(&self, arguments: &[&str]) -> Result<(), String> {
        let [program, words @ ..] = self.enter();
        let mut all: Vec<OsString> = words.into();
        // Waits for whoever else changes rules on this machine.
        all.extend([self.iptables.clone().into(), "-w".into()]);
        all.extend(arguments.iter().map(OsString::from));
        run(program, &all)
    }
}

// What a guard could not remove, since it was killed too.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(FOLDER) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if folder::is_stale(&name) {
            let _ = run("ip", &["netns", "del", &name]);
        }
    }
}
