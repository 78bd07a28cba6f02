//! A master with replicas, watched by sentinels that elect another master when it dies.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::folder::Folder;
use crate::node::Node;
use crate::port::Port;
use crate::process::{blocking, wait_until};
use crate::redis::{Flavor, Redis};
use crate::resp::Reply;

const NAME: &str = "mymaster";
const PATIENCE: Duration = Duration::from_millis(500);

/// A running master, its replicas and its sentinels. Dropping it stops them all.
///
/// ```no_run
/// # use idempotent_servers::Sentinel;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sentinel = Sentinel::start(2, 3).await;
/// let old = sentinel.kill_master().await;
/// let elected = sentinel.wait_for_failover(old).await;
/// assert_eq!(sentinel.master_url().await, sentinel.servers()[elected].url());
/// # }
/// ```
#[derive(Debug)]
pub struct Sentinel {
    // Sentinels go first, so that they do not elect while the others go.
    sentinels: Vec<Redis>,
    servers: Vec<Redis>,
}

impl Sentinel {
    /// Starts a master with `replicas` replicas and `sentinels` sentinels, of which a majority
    /// elects. A master counts as down after one second. Waits until all know each other.
    ///
    /// # Panics
    ///
    /// When that does not come about.
    pub async fn start(replicas: usize, sentinels: usize) -> Sentinel {
        blocking(move || Sentinel::start_blocking(replicas, sentinels)).await
    }

    fn start_blocking(replicas: usize, sentinels: usize) -> Result<Sentinel, String> {
        let master = server(None)?;
        let port = master.address().port();
        let mut nodes = vec![master];
        for _ in 0..replicas {
            nodes.push(server(Some(port))?);
        }
        wait_until("replicas are linked", || {
            let info = nodes[0].call(&["INFO", "replication"]);
            info.is_ok_and(|info| info.to_string().matches("state=online").count() == replicas)
        })?;
        let watchers =
            (0..sentinels).map(|_| sentinel(port, sentinels)).collect::<Result<Vec<_>, _>>()?;
        wait_until("sentinels know each other and the replicas", || {
            watchers.iter().all(|node| knows(node, replicas, sentinels))
        })?;
        let handles = |nodes: Vec<Node>| nodes.into_iter().map(Redis::of).collect();
        Ok(Sentinel { sentinels: handles(watchers), servers: handles(nodes) })
    }

    /// The name under which the sentinels know the master.
    #[must_use]
    pub fn master_name(&self) -> &'static str {
        NAME
    }

    /// The servers: the first began as the master.
    #[must_use]
    pub fn servers(&self) -> &[Redis] {
        &self.servers
    }

    /// The sentinels themselves.
    #[must_use]
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The sentinels' URLs.
    #[must_use]
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Redis::url).collect()
    }

    /// The server that is the master now, in the eyes of most sentinels.
    ///
    /// # Panics
    ///
    /// When most sentinels do not agree for 90 seconds.
    pub async fn master(&self) -> usize {
        self.wait_for_master(None).await
    }

    /// The URL of [`master`](Sentinel::master).
    ///
    /// # Panics
    ///
    /// As [`master`](Sentinel::master).
    pub async fn master_url(&self) -> String {
        self.servers[self.master().await].url()
    }

    /// `kill -9` of the master; which server that was.
    ///
    /// # Panics
    ///
    /// As [`master`](Sentinel::master).
    pub async fn kill_master(&self) -> usize {
        let master = self.master().await;
        self.servers[master].kill();
        master
    }

    /// Waits until most sentinels name another master than `old`, which finds itself one too.
    ///
    /// # Panics
    ///
    /// When that has not come about after 90 seconds.
    pub async fn wait_for_failover(&self, old: usize) -> usize {
        self.wait_for_master(Some(old)).await
    }

    async fn wait_for_master(&self, but: Option<usize>) -> usize {
        let sentinels: Vec<_> = self.sentinels.iter().map(|s| Arc::clone(&s.node)).collect();
        let servers: Vec<_> = self.servers.iter().map(|s| Arc::clone(&s.node)).collect();
        blocking(move || {
            let mut found = None;
            wait_until("most sentinels name a master", || {
                found = named(&sentinels, &servers)
                    .filter(|server| Some(*server) != but)
                    // A master of before, which may be dead, has nothing to say.
                    .filter(|server| but.is_none() || is_master(&servers[*server]));
                found.is_some()
            })?;
            found.ok_or_else(|| "no master".into())
        })
        .await
    }
}

fn named(sentinels: &[Arc<Node>], servers: &[Arc<Node>]) -> Option<usize> {
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
    let answers: Vec<_> =
        sentinels.iter().filter_map(|node| node.call_within(PATIENCE, &question).ok()).collect();
    (0..servers.len()).find(|&index| {
        let address = servers[index].address();
        let name = Reply::Array(vec![
            Reply::Text(address.ip().to_string()),
            Reply::Text(address.port().to_string()),
        ]);
        answers.iter().filter(|answer| **answer == name).count() * 2 > sentinels.len()
    })
}

fn is_master(node: &Node) -> bool {
    let info = node.call_within(PATIENCE, &["INFO", "replication"]);
    info.is_ok_and(|info| info.to_string().contains("role:master"))
}

fn server(master: Option<u16>) -> Result<Node, String> {
    let port = Port::reserve()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let mut arguments: Vec<OsString> = vec!["--repl-diskless-sync-delay".into(), "0".into()];
    if let Some(master) = master {
        arguments.push("--replicaof".into());
        arguments.extend([Ipv4Addr::LOCALHOST.to_string().into(), master.to_string().into()]);
    }
    let node = Node::new(Flavor::Redis, address, Folder::new()?, &arguments, None)?.owning(port);
    node.start()?;
    Ok(node)
}

fn sentinel(master: u16, sentinels: usize) -> Result<Node, String> {
    let port = Port::reserve()?;
    let number = port.number();
    let folder = Folder::new()?;
    let quorum = sentinels / 2 + 1;
    let settings = format!(
        "port {number}\nbind 127.0.0.1\ndir {}\nlogfile {}\n\
         sentinel monitor {NAME} 127.0.0.1 {master} {quorum}\n\
         sentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 3000\n",
        folder.path().display(),
        folder.path().join("log").display(),
    );
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, settings).map_err(|error| format!("{}: {error}", file.display()))?;
    let command = [Flavor::Redis.server().path()?.into(), file.into(), "--sentinel".into()];
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
    let node = Node::of(address, folder, &command)?.owning(port);
    node.start()?;
    Ok(node)
}

fn knows(sentinel: &Node, replicas: usize, sentinels: usize) -> bool {
    let Ok(Reply::Array(fields)) = sentinel.call(&["SENTINEL", "MASTER", NAME]) else {
        return false;
    };
    let field = |name: &str| {
        let at = fields.iter().position(|field| field.text() == Some(name))?;
        fields.get(at + 1)?.text()?.parse::<usize>().ok()
    };
    field("num-slaves") == Some(replicas) && field("num-other-sentinels") == Some(sentinels - 1)
}
