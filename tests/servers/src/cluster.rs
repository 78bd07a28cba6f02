//! A Redis Cluster: masters that share the slots, each with its replicas.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::netns::Space;
use crate::node::Node;
use crate::port::{BUS, Port};
use crate::process::{PATIENCE, PAUSE, blocking};
use crate::redis::{Flavor, Redis};
use crate::topology::{self, Topology};

/// A running cluster. Its nodes stay in their order: first those that began as masters, then the
/// replicas, those of the first master first. Dropping it stops all nodes.
///
/// ```no_run
/// # use idempotent_servers::{Cluster, Data};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cluster = Cluster::start(3, 1).await;
/// let master = cluster.master_of("order:7").await;
/// cluster.node(master).kill();
/// let elected = cluster.wait_for_new_master(master).await;
/// cluster.node(master).restart(Data::Keep).await;
/// cluster.wait_until_whole().await;
/// assert_eq!(cluster.master_of("order:7").await, elected);
/// # }
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
    masters: usize,
    replicas: usize,
}

/// How a [`Cluster`] is to be started; from [`Cluster::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ClusterBuilder {
    masters: usize,
    replicas: usize,
    flavor: Flavor,
    timeout: Duration,
    validity_factor: u32,
    persistent: bool,
    arguments: Vec<OsString>,
    space: Option<Arc<Space>>,
}

impl ClusterBuilder {
    /// Which server. Default: the machine's `redis-server`.
    pub fn flavor(mut self, flavor: Flavor) -> ClusterBuilder {
        self.flavor = flavor;
        self
    }

    /// How long a node is silent until it counts as failed, to the millisecond. Default: one second.
    pub fn node_timeout(mut self, timeout: Duration) -> ClusterBuilder {
        self.timeout = timeout;
        self
    }

    /// How many node timeouts a replica may have been without its master and still take over; 0 for
    /// ever, which elects a replica that restarted empty, too. Default: 10, as Redis has it.
    pub fn validity_factor(mut self, factor: u32) -> ClusterBuilder {
        self.validity_factor = factor;
        self
    }

    /// Each write is on the disk before its answer. Default: nothing is ever written to the disk.
    pub fn persistent_aof(mut self) -> ClusterBuilder {
        self.persistent = true;
        self
    }

    /// A setting of each node, as on its command line.
    pub fn arg(mut self, name: &str, value: &str) -> ClusterBuilder {
        self.arguments.extend([name.into(), value.into()]);
        self
    }

    pub(crate) fn inside(mut self, space: Arc<Space>) -> ClusterBuilder {
        self.space = Some(space);
        self
    }

    /// Starts the cluster, and waits until each node finds it in order and each replica is linked.
    ///
    /// # Panics
    ///
    /// When it does not come about, with what the nodes say.
    pub async fn start(self) -> Cluster {
        blocking(move || self.start_blocking()).await
    }

    fn start_blocking(self) -> Result<Cluster, String> {
        let count = self.masters * (1 + self.replicas);
        let nodes = (0..count).map(|index| self.node(index)).collect::<Result<Vec<_>, _>>()?;
        // All at once: each is quick, and there may be nine.
        std::thread::scope(|scope| {
            let starts: Vec<_> = nodes.iter().map(|node| scope.spawn(|| node.start())).collect();
            starts.into_iter().try_for_each(|start| match start.join() {
                Ok(started) => started,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        topology::form(&nodes, self.masters, self.replicas)?;
        let nodes = nodes.into_iter().map(Redis::of).collect();
        Ok(Cluster { nodes, masters: self.masters, replicas: self.replicas })
    }

    fn node(&self, index: usize) -> Result<Node, String> {
        let (address, port) = match &self.space {
            Some(space) => (space.address()?, None),
            None => {
                let port = Port::reserve()?;
                (SocketAddr::from((Ipv4Addr::LOCALHOST, port.number())), Some(port))
            }
        };
        let settings = [
            ("--cluster-enabled", "yes".into()),
            ("--cluster-config-file", "nodes.conf".into()),
            ("--cluster-announce-ip", address.ip().to_string()),
            ("--cluster-port", (address.port() + BUS).to_string()),
            ("--cluster-node-timeout", self.timeout.as_millis().to_string()),
            ("--cluster-replica-validity-factor", self.validity_factor.to_string()),
            ("--repl-diskless-sync-delay", "0".into()),
            // Replicas stay with the master that the test gave them.
            ("--cluster-allow-replica-migration", "no".into()),
        ];
        let mut arguments: Vec<OsString> =
            settings.into_iter().flat_map(|(name, value)| [name.into(), value.into()]).collect();
        if self.persistent {
            for setting in ["--appendonly", "yes", "--appendfsync", "always"] {
                arguments.push(setting.into());
            }
        }
        arguments.extend(self.arguments.iter().cloned());
        let folder = Folder::new()?;
        let node = Node::new(self.flavor, address, folder, &arguments, self.space.clone())
            .map_err(|error| format!("node {index} of a cluster: {error}"))?;
        Ok(match port {
            Some(port) => node.owning(port),
            None => node,
        })
    }
}

impl Cluster {
    /// Starts `masters` masters (three at least) with `replicas_per_master` replicas each.
    ///
    /// # Panics
    ///
    /// As [`ClusterBuilder::start`].
    pub async fn start(masters: usize, replicas_per_master: usize) -> Cluster {
        Cluster::builder(masters, replicas_per_master).start().await
    }

    /// A cluster with settings.
    pub fn builder(masters: usize, replicas_per_master: usize) -> ClusterBuilder {
        ClusterBuilder {
            masters,
            replicas: replicas_per_master,
            flavor: Flavor::default(),
            timeout: Duration::from_secs(1),
            validity_factor: 10,
            persistent: false,
            arguments: Vec::new(),
            space: None,
        }
    }

    /// All nodes, in the order in which they were started.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// One node.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &Redis {
        &self.nodes[index]
    }

    /// The URLs of all nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// The nodes that are masters now and own slots, in the eyes of most nodes that answer.
    ///
    /// # Panics
    ///
    /// When no node answers.
    pub async fn masters(&self) -> Vec<usize> {
        let topology = self.topology(&[]).await;
        (0..self.nodes.len()).filter(|&node| topology.is_master(self.address(node))).collect()
    }

    /// The nodes that are replicas of this one now.
    ///
    /// # Panics
    ///
    /// When no node answers.
    pub async fn replicas_of(&self, master: usize) -> Vec<usize> {
        let topology = self.topology(&[]).await;
        let master = self.address(master);
        (0..self.nodes.len())
            .filter(|&node| topology.master_of(self.address(node)) == Some(master))
            .collect()
    }

    /// The master that owns this key now.
    ///
    /// # Panics
    ///
    /// When no node answers, or nobody owns the key.
    pub async fn master_of(&self, key: &str) -> usize {
        let slot = topology::slot(key);
        let topology = self.topology(&[]).await;
        let owner = topology.owner(slot).and_then(|address| self.index(address));
        owner.unwrap_or_else(|| panic!("nobody owns slot {slot} of key {key:?}"))
    }

    /// Waits until the slots of `old`, a master that died, froze or was cut off, have another master,
    /// and gives that. Asks all nodes but `old`; a node that is cut off with it is outvoted.
    ///
    /// # Panics
    ///
    /// When that has not come about after 90 seconds.
    pub async fn wait_for_new_master(&self, old: usize) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = None;
        while Instant::now() < deadline {
            let topology = self.topology(&[old]).await;
            let family = self.family(old);
            let elected = family
                .into_iter()
                .filter(|&node| node != old)
                .find(|&node| topology.is_master(self.address(node)));
            if let Some(elected) = elected {
                // Seen twice in a row, by a majority: not the rumour of one node.
                if seen.replace(elected) == Some(elected) {
                    return elected;
                }
            }
            blocking(|| {
                std::thread::sleep(PAUSE);
                Ok(())
            })
            .await;
        }
        panic!("nobody took over from node {old} within {PATIENCE:?}")
    }

    /// Waits until all nodes are up, agree, and have their replicas linked.
    ///
    /// # Panics
    ///
    /// When that has not come about after 90 seconds.
    pub async fn wait_until_whole(&self) {
        let nodes: Vec<_> = self.nodes.iter().map(|node| Arc::clone(&node.node)).collect();
        let masters = self.masters;
        blocking(move || topology::wait_until_whole(&nodes, masters)).await;
    }

    // A master and the replicas it was started with.
    fn family(&self, member: usize) -> Vec<usize> {
        let master = match member.checked_sub(self.masters) {
            Some(replica) => replica / self.replicas,
            None => member,
        };
        let first = self.masters + master * self.replicas;
        std::iter::once(master).chain(first..first + self.replicas).collect()
    }

    async fn topology(&self, except: &[usize]) -> Topology {
        let nodes: Vec<_> = (0..self.nodes.len())
            .filter(|index| !except.contains(index) && self.nodes[*index].is_running())
            .map(|index| Arc::clone(&self.nodes[index].node))
            .collect();
        blocking(move || topology::ask(&nodes)).await
    }

    fn address(&self, index: usize) -> (IpAddr, u16) {
        let address = self.nodes[index].address();
        (address.ip(), address.port())
    }

    fn index(&self, address: (IpAddr, u16)) -> Option<usize> {
        (0..self.nodes.len()).find(|&index| self.address(index) == address)
    }
}
